"""CodeDeploy for aliases of functions: deployments are releases, hooks are functions, stacks wait."""

import hashlib
import json
import time

import pytest

from dark.test_dark import Shop
from dark.test_ladder_template import Stack
from lambda_.test_lambda import archive

# A hook that reports what its environment says, as CodeDeploy's own examples do it with the SDK.
HOOK = """
const http = require("http");
exports.handler = (event) => new Promise((done) => {
  const { RESULT, AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, AWS_SESSION_TOKEN } = process.env;
  if (RESULT === "silent") return done();
  const request = http.request(AWS_ENDPOINT_URL, { method: "POST", headers: {
    "content-type": "application/x-amz-json-1.1", "x-amz-security-token": AWS_SESSION_TOKEN,
    "x-amz-target": "CodeDeploy_20141006.PutLifecycleEventHookExecutionStatus",
    authorization: `AWS4-HMAC-SHA256 Credential=${AWS_ACCESS_KEY_ID}/20260101/us-east-1/codedeploy/aws4_request, SignedHeaders=host, Signature=0` } },
    (r) => { let text = ""; r.on("data", (d) => text += d); r.on("end", () => { console.log(r.statusCode, text); done(); }); });
  request.end(JSON.stringify({ deploymentId: event.DeploymentId,
    lifecycleEventHookExecutionId: event.LifecycleEventHookExecutionId, status: RESULT }));
});
"""
ROLE = "arn:aws:iam::000000000000:role/deploy"
CANARY = "CodeDeployDefault.LambdaCanary10Percent5Minutes"
ROLLBACK = {"enabled": True, "events": ["DEPLOYMENT_FAILURE", "DEPLOYMENT_STOP_ON_REQUEST"]}


def spec(current="1", target="2", **hooks):
    properties = {"Name": "f", "Alias": "live", "CurrentVersion": current, "TargetVersion": target}
    return {
        "version": 0.0,
        "Resources": [{"f": {"Type": "AWS::Lambda::Function", "Properties": properties}}],
        "Hooks": [{event: function} for event, function in hooks.items()],
    }


def revision(content, **more):
    text = content if isinstance(content, str) else json.dumps(content)
    return {"revisionType": "AppSpecContent", "appSpecContent": {"content": text, **more}}


class Deploy:
    def __init__(self, shop, **group):
        self.shop, self.codedeploy, self.release = shop, shop.client("codedeploy"), shop.release
        self.codedeploy.create_application(applicationName="app", computePlatform="Lambda")
        self.codedeploy.create_deployment_group(
            **{"applicationName": "app", "deploymentGroupName": "g", "serviceRoleArn": ROLE,
               "deploymentConfigName": CANARY, "autoRollbackConfiguration": ROLLBACK,
               "deploymentStyle": {"deploymentType": "BLUE_GREEN", "deploymentOption": "WITH_TRAFFIC_CONTROL"}, **group})

    def hook(self, name, result):
        self.shop.lam.create_function(
            FunctionName=name, Runtime="nodejs20.x", Role=ROLE.replace("0" * 12, self.shop.account), Handler="index.handler",
            Code={"ZipFile": archive(index__js=HOOK)}, Environment={"Variables": {"RESULT": result}})
        return name

    def start(self, content=None, **more):
        return self.codedeploy.create_deployment(
            **{"applicationName": "app", "deploymentGroupName": "g", "revision": revision(content or spec()), **more}
        )["deploymentId"]

    def show(self, deployment):
        return self.codedeploy.get_deployment(deploymentId=deployment)["deploymentInfo"]

    def group(self):
        found = self.codedeploy.get_deployment_group(applicationName="app", deploymentGroupName="g")
        return found["deploymentGroupInfo"]

    def alias(self):
        alias = self.shop.lam.get_alias(FunctionName="f", Name="live")
        return alias["FunctionVersion"], alias.get("RoutingConfig", {}).get("AdditionalVersionWeights", {})

    def until(self, wanted, deployment):
        deadline = time.monotonic() + 60
        while not wanted(self.show(deployment)):
            assert time.monotonic() < deadline, (self.show(deployment), self.alias())
            time.sleep(0.05)
        return self.show(deployment)

    def shifting(self, deployment, weights={"2": 0.1}):
        return self.until(lambda _: self.alias() == ("1", weights), deployment)

    def done(self, deployment):
        return self.until(lambda d: d["status"] in ("Succeeded", "Failed", "Stopped"), deployment)


@pytest.fixture
def shop(client, account):
    shop = Shop(client, account)
    shop.version("same")
    return shop


@pytest.fixture
def deploy(shop):
    return Deploy(shop)


def test_a_canary_with_hooks(deploy, error):
    hooks = {"BeforeAllowTraffic": deploy.hook("before", "Succeeded"), "AfterAllowTraffic": deploy.hook("after", "Succeeded")}
    started = deploy.start(spec(**hooks), description="two")
    assert started.startswith("d-") and len(started) == 11
    shown = deploy.shifting(started)
    assert shown["status"] == "InProgress" and shown["creator"] == "user" and shown["description"] == "two"
    assert shown["computePlatform"] == "Lambda" and shown["deploymentConfigName"] == CANARY
    code, message = error(deploy.start)
    assert code == "DeploymentLimitExceededException" and started in message
    assert error(deploy.codedeploy.delete_application, applicationName="app")[0] == "InvalidOperationException"
    deploy.release.advance_release(Name=started)
    done = deploy.done(started)
    assert done["status"] == "Succeeded" and done["completeTime"] >= done["startTime"], done
    assert deploy.alias() == ("2", {})
    group = deploy.group()
    assert group["lastSuccessfulDeployment"]["deploymentId"] == started
    assert group["targetRevision"] == done["revision"] and group["lastAttemptedDeployment"]["status"] == "Succeeded"
    code, _ = error(deploy.codedeploy.stop_deployment, deploymentId=started)
    assert code == "DeploymentAlreadyCompletedException"
    listed = deploy.codedeploy.list_deployments(applicationName="app", deploymentGroupName="g")["deployments"]
    assert listed == [started]
    got = deploy.codedeploy.batch_get_deployments(deploymentIds=[started, "d-NOTTHERE0"])["deploymentsInfo"]
    assert [d["deploymentId"] for d in got] == [started]


def test_an_alarm_stops_a_deployment(deploy, shop, error):
    cloudwatch = shop.client("cloudwatch")
    cloudwatch.put_metric_alarm(
        AlarmName="errors", Namespace="shop", MetricName="bad", Statistic="Sum", Period=60, EvaluationPeriods=1,
        Threshold=1, ComparisonOperator="GreaterThanThreshold", TreatMissingData="ignore")
    rollback = {"enabled": True, "events": ["DEPLOYMENT_STOP_ON_ALARM"]}
    deploy.codedeploy.update_deployment_group(
        applicationName="app", currentDeploymentGroupName="g", autoRollbackConfiguration=rollback,
        alarmConfiguration={"enabled": True, "alarms": [{"name": "errors"}]})
    assert deploy.group()["alarmConfiguration"] == {"enabled": True, "ignorePollAlarmFailure": False, "alarms": [{"name": "errors"}]}
    started = deploy.start()
    deploy.shifting(started)
    cloudwatch.set_alarm_state(AlarmName="errors", StateValue="ALARM", StateReason="told so")
    done = deploy.done(started)
    assert done["status"] == "Stopped" and done["errorInformation"]["code"] == "ALARM_ACTIVE", done
    assert "the alarm errors is in ALARM" in done["errorInformation"]["message"]
    deploy.until(lambda _: deploy.alias() == ("1", {}), started)
    # With alarms of its own it takes place; with one that is not there it does not.
    cloudwatch.set_alarm_state(AlarmName="errors", StateValue="OK", StateReason="told so")
    missing = deploy.start(overrideAlarmConfiguration={"enabled": True, "alarms": [{"name": "nobody"}]})
    done = deploy.done(missing)
    assert done["status"] == "Failed" and "there is no alarm nobody" in done["errorInformation"]["message"], done


def test_a_failed_hook_keeps_the_traffic_where_it_is(deploy):
    started = deploy.start(spec(BeforeAllowTraffic=deploy.hook("before", "Failed")))
    done = deploy.done(started)
    assert done["status"] == "Failed" and done["errorInformation"]["code"] == "HOOK_EXECUTION_FAILURE", done
    assert "BeforeAllowTraffic" in done["errorInformation"]["message"]
    # The group wants to go back: that is a deployment, too.
    undo = deploy.done(done["rollbackInfo"]["rollbackDeploymentId"])
    assert undo["status"] == "Succeeded" and undo["creator"] == "codeDeployRollback"
    assert undo["rollbackInfo"]["rollbackTriggeringDeploymentId"] == started
    assert deploy.alias() == ("1", {}) and "lastSuccessfulDeployment" in deploy.group()


def test_a_hook_that_fails_afterwards_brings_the_traffic_back(deploy):
    after = deploy.hook("after", "Failed")
    started = deploy.start(spec(AfterAllowTraffic=after), deploymentConfigName="CodeDeployDefault.LambdaAllAtOnce")
    done = deploy.done(started)
    assert done["status"] == "Failed" and "AfterAllowTraffic" in done["errorInformation"]["message"], done
    assert deploy.done(done["rollbackInfo"]["rollbackDeploymentId"])["status"] == "Succeeded"
    assert deploy.alias() == ("1", {})
    # Without automatic rollback it stays.
    off = {"enabled": False, "events": []}
    started = deploy.start(
        spec(AfterAllowTraffic=after), deploymentConfigName="CodeDeployDefault.LambdaAllAtOnce",
        autoRollbackConfiguration=off)
    assert "rollbackInfo" not in deploy.done(started) and deploy.alias() == ("2", {})


def test_a_deployment_is_stopped(deploy, error):
    started = deploy.start()
    deploy.shifting(started)
    assert deploy.codedeploy.stop_deployment(deploymentId=started)["status"] == "Pending"
    done = deploy.done(started)
    assert done["status"] == "Stopped" and done["errorInformation"]["code"] == "MANUAL_STOP"
    assert deploy.done(done["rollbackInfo"]["rollbackDeploymentId"])["status"] == "Succeeded"
    assert deploy.alias() == ("1", {})
    # The next one can begin, and an operator's rollback of its release fails it.
    started = deploy.start()
    deploy.shifting(started)
    deploy.release.roll_back_release(Name=started, Reason="not today")
    done = deploy.done(started)
    assert done["status"] == "Failed" and "not today" in done["errorInformation"]["message"], done


def test_hooks_report_once_and_by_their_id(deploy, error):
    started = deploy.start(spec(BeforeAllowTraffic=deploy.hook("before", "silent")))
    report = deploy.codedeploy.put_lifecycle_event_hook_execution_status
    code, _ = error(report, deploymentId=started, lifecycleEventHookExecutionId="x", status="Succeeded")
    assert code == "InvalidLifecycleEventHookExecutionIdException"
    code, _ = error(report, deploymentId=started, lifecycleEventHookExecutionId="x", status="Skipped")
    assert code == "InvalidLifecycleEventHookExecutionStatusException"
    assert deploy.show(started)["status"] in ("Created", "InProgress") and deploy.alias() == ("1", {})
    deploy.codedeploy.stop_deployment(deploymentId=started, autoRollbackEnabled=False)
    done = deploy.done(started)
    assert done["status"] == "Stopped" and "rollbackInfo" not in done


def test_yaml_linear_and_a_configuration_of_ones_own(deploy, error):
    routing = {"type": "TimeBasedLinear", "timeBasedLinear": {"linearPercentage": 40, "linearInterval": 1}}
    deploy.codedeploy.create_deployment_config(
        deploymentConfigName="mine", computePlatform="Lambda", trafficRoutingConfig=routing)
    got = deploy.codedeploy.get_deployment_config(deploymentConfigName="mine")["deploymentConfigInfo"]
    assert got["trafficRoutingConfig"] == routing and got["computePlatform"] == "Lambda"
    names = deploy.codedeploy.list_deployment_configs()["deploymentConfigsList"]
    assert "mine" in names and CANARY in names and len(names) == 10
    deploy.codedeploy.update_deployment_group(
        applicationName="app", currentDeploymentGroupName="g", deploymentConfigName="mine")
    assert error(deploy.codedeploy.delete_deployment_config, deploymentConfigName="mine")[0] == "DeploymentConfigInUseException"
    text = """
version: 0.0
Resources:
  - f:
      Type: AWS::Lambda::Function
      Properties:
        Name: "f"
        Alias: "live"
        CurrentVersion: "1"
        TargetVersion: "2"
"""
    sha = hashlib.sha256(text.encode()).hexdigest()
    started = deploy.start(revision={"revisionType": "String", "string": {"content": text, "sha256": sha}})
    for share in (0.4, 0.8):
        deploy.shifting(started, {"2": share})
        deploy.release.advance_release(Name=started)
    assert deploy.done(started)["status"] == "Succeeded" and deploy.alias() == ("2", {})
    # It may have gone by itself meanwhile; then there is nothing more to do.
    deploy.codedeploy.delete_deployment_group(applicationName="app", deploymentGroupName="g")
    deploy.codedeploy.delete_deployment_config(deploymentConfigName="mine")
    assert deploy.codedeploy.list_deployment_groups(applicationName="app")["deploymentGroups"] == []
    deploy.codedeploy.delete_application(applicationName="app")
    assert deploy.codedeploy.list_applications()["applications"] == []
    code, message = error(deploy.codedeploy.get_application, applicationName="app")
    assert (code, message) == ("ApplicationDoesNotExistException", "No application found for name: app")


def test_what_is_refused(deploy, error):
    codedeploy = deploy.codedeploy
    group = {"applicationName": "app", "deploymentGroupName": "h", "serviceRoleArn": ROLE}
    alarms = {"enabled": True, "alarms": []}
    style = {"deploymentType": "IN_PLACE", "deploymentOption": "WITHOUT_TRAFFIC_CONTROL"}
    for call, wanted, text in [
        (lambda: error(codedeploy.create_application, applicationName="s"), "NotImplemented", "Server"),
        (lambda: error(codedeploy.create_application, applicationName="app", computePlatform="Lambda"),
         "ApplicationAlreadyExistsException", "app"),
        (lambda: error(codedeploy.create_deployment_group, **group, alarmConfiguration=alarms), "InvalidAlarmConfigException", "has to name alarms"),
        (lambda: error(codedeploy.create_deployment_group, **group, deploymentStyle=style),
         "InvalidDeploymentStyleException", "BLUE_GREEN"),
        (lambda: error(codedeploy.create_deployment_group, **{**group, "applicationName": "x"}),
         "ApplicationDoesNotExistException", "x"),
        (lambda: error(codedeploy.create_deployment_group, **group, deploymentConfigName="x"),
         "DeploymentConfigDoesNotExistException", "x"),
        (lambda: error(codedeploy.create_deployment_group, **group, autoRollbackConfiguration={"enabled": True}),
         "InvalidAutoRollbackConfigException", "events"),
        (lambda: error(deploy.start, deploymentGroupName="x"), "DeploymentGroupDoesNotExistException",
         "No Deployment Group found for name: x"),
        (lambda: error(deploy.start, revision=revision("nothing")), "InvalidRevisionException", "AppSpec"),
        (lambda: error(deploy.start, revision=revision(spec(), sha256="0" * 64)), "InvalidRevisionException", "SHA-256"),
        (lambda: error(deploy.start, content=spec(BeforeInstall="x")), "InvalidRevisionException", "BeforeInstall"),
        (lambda: error(codedeploy.get_deployment, deploymentId="d-NOTTHERE0"), "DeploymentDoesNotExistException",
         "The deployment d-NOTTHERE0 could not be found"),
        (lambda: error(codedeploy.get_deployment, deploymentId="x"), "InvalidDeploymentIdException", "x"),
        (lambda: error(codedeploy.create_deployment_config, deploymentConfigName="c", computePlatform="Lambda",
                       trafficRoutingConfig={"type": "TimeBasedCanary"}), "InvalidTrafficRoutingConfigurationException", "agree"),
        (lambda: error(codedeploy.delete_deployment_config, deploymentConfigName=CANARY), "InvalidOperationException", "default"),
        (lambda: error(codedeploy.list_application_revisions, applicationName="app"), "NotImplemented", "ListApplicationRevisions"),
    ]:
        code, message = call()
        assert code == wanted and text in message, (code, message, wanted)
    for wrong, code in [(spec("7"), "INVALID_LAMBDA_CONFIGURATION"), (spec(target="9"), "INVALID_LAMBDA_FUNCTION")]:
        done = deploy.done(deploy.start(wrong))
        assert done["status"] == "Failed" and done["errorInformation"]["code"] == code, done
        assert "rollbackInfo" not in done and deploy.alias() == ("1", {})


def test_a_deployment_survives_crashes(new_cloud):
    cloud = new_cloud().start()
    shop = Shop(lambda service: cloud.client(service), "000000000000")
    shop.version("same")
    deploy = Deploy(shop)
    started = deploy.start(spec(BeforeAllowTraffic=deploy.hook("before", "Succeeded"), AfterAllowTraffic="before"))
    cloud.kill()
    cloud.start()
    deploy.shifting(started)
    cloud.kill()
    cloud.start()
    assert deploy.show(started)["status"] == "InProgress" and deploy.alias() == ("1", {"2": 0.1})
    deploy.release.advance_release(Name=started)
    assert deploy.done(started)["status"] == "Succeeded" and deploy.alias() == ("2", {})


def test_a_role_and_a_caller_do_only_what_they_may(secure_cloud, error):
    shop = Shop(secure_cloud.client, "000000000000")
    shop.version("same")
    iam = secure_cloud.client("iam")
    allow = lambda *statements: json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": actions, "Resource": resource} for actions, resource in statements]})
    trust = {"Effect": "Allow", "Principal": {"Service": "codedeploy.amazonaws.com"}, "Action": "sts:AssumeRole"}
    iam.create_role(RoleName="deploy", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}))
    deploy = Deploy(shop, deploymentConfigName="CodeDeployDefault.LambdaAllAtOnce")
    done = deploy.done(deploy.start())
    assert done["errorInformation"]["code"] == "IAM_ROLE_PERMISSIONS", done
    assert "lambda:GetAlias" in done["errorInformation"]["message"] and deploy.alias() == ("1", {})
    iam.attach_role_policy(
        RoleName="deploy", PolicyArn="arn:aws:iam::aws:policy/service-role/AWSCodeDeployRoleForLambdaLimited")
    done = deploy.done(deploy.start(spec(BeforeAllowTraffic="other")))
    assert done["errorInformation"]["code"] == "IAM_ROLE_PERMISSIONS", done
    assert "lambda:InvokeFunction" in done["errorInformation"]["message"]
    started = deploy.start()
    assert deploy.done(started)["status"] == "Succeeded" and deploy.alias() == ("2", {})
    # A caller sees and does what the group's ARN allows.
    iam.create_user(UserName="dev")
    key = iam.create_access_key(UserName="dev")["AccessKey"]
    dev = secure_cloud.client("codedeploy", key=key["AccessKeyId"], secret=key["SecretAccessKey"])
    group = "arn:aws:codedeploy:us-east-1:000000000000:deploymentgroup:app/"
    iam.put_user_policy(UserName="dev", PolicyName="p", PolicyDocument=allow((["codedeploy:*"], group + "other")))
    for call, more in [(dev.get_deployment, {"deploymentId": started}), (dev.stop_deployment, {"deploymentId": started}),
                       (dev.create_deployment, {"applicationName": "app", "deploymentGroupName": "g", "revision": revision(spec())})]:
        code, message = error(call, **more)
        assert code == "AccessDeniedException" and group + "g" in message, message
    more = {"applicationName": "app", "deploymentGroupName": "other", "serviceRoleArn": ROLE}
    code, message = error(dev.create_deployment_group, **more)
    assert code == "AccessDeniedException" and "iam:PassRole" in message, message
    iam.put_user_policy(UserName="dev", PolicyName="p", PolicyDocument=allow((["codedeploy:*"], group + "*")))
    assert dev.get_deployment(deploymentId=started)["deploymentInfo"]["status"] == "Succeeded"


def template(version, hooks={}, policy=True, **more):
    """What SAM makes of `AutoPublishAlias` and `DeploymentPreference`, as far as it matters here."""
    alias = {"Type": "AWS::Lambda::Alias", "Properties": {"FunctionName": "f", "Name": "up", "FunctionVersion": version}}
    if policy:
        alias["UpdatePolicy"] = {"CodeDeployLambdaAliasUpdate": {
            "ApplicationName": {"Ref": "Application"}, "DeploymentGroupName": {"Ref": "Group"}, **hooks}}
    return {
        "Resources": {
            "Alias": alias,
            "Application": {"Type": "AWS::CodeDeploy::Application", "Properties": {"ComputePlatform": "Lambda"}},
            "Config": {"Type": "AWS::CodeDeploy::DeploymentConfig", "Properties": {
                "ComputePlatform": "Lambda", "TrafficRoutingConfig": {
                    "Type": "TimeBasedCanary", "TimeBasedCanary": {"CanaryPercentage": 25, "CanaryInterval": "60"}}}},
            "Group": {"Type": "AWS::CodeDeploy::DeploymentGroup", "Properties": {
                "ApplicationName": {"Ref": "Application"},
                "AutoRollbackConfiguration": {"Enabled": True, "Events": ["DEPLOYMENT_FAILURE"]},
                "DeploymentConfigName": {"Ref": "Config"},
                "DeploymentStyle": {"DeploymentType": "BLUE_GREEN", "DeploymentOption": "WITH_TRAFFIC_CONTROL"},
                "ServiceRoleArn": ROLE, **more}},
        }
    }


def test_a_stack_updates_an_alias_by_a_deployment(shop, deploy):
    shop.version("null")
    good, bad = deploy.hook("good", "Succeeded"), deploy.hook("bad", "Failed")
    stack = Stack(shop)
    made = stack.deploy(template("1", {"BeforeAllowTrafficHook": good}), "create")
    assert made["StackStatus"] == "CREATE_COMPLETE", stack.reasons()
    assert stack.alias("up") == ("1", {})
    stack.change(template("2", {"BeforeAllowTrafficHook": good}))
    name = stack.wait_for_release()
    assert deploy.show(name)["creator"] == "CloudFormation" and stack.alias("up") == ("1", {"2": 0.25})
    stack.release.advance_release(Name=name)
    assert stack.settle()["StackStatus"] == "UPDATE_COMPLETE", stack.reasons()
    assert stack.alias("up") == ("2", {}) and deploy.show(name)["status"] == "Succeeded"
    # A deployment that fails takes the stack back with it.
    hooks = {"BeforeAllowTrafficHook": good, "AfterAllowTrafficHook": bad}
    stack.change(template("3", hooks, DeploymentConfigName="CodeDeployDefault.LambdaAllAtOnce"))
    assert stack.settle()["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE", stack.reasons()
    assert "HOOK_EXECUTION_FAILURE" in stack.reasons() and stack.alias("up") == ("2", {})
    # Stopped by hand: the same.
    stack.change(template("3"))
    name = stack.wait_for_release()
    deploy.codedeploy.stop_deployment(deploymentId=name)
    assert stack.settle()["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE", stack.reasons()
    assert stack.alias("up") == ("2", {})
    # Without the policy: at once.
    assert stack.deploy(template("3", policy=False))["StackStatus"] == "UPDATE_COMPLETE", stack.reasons()
    assert stack.alias("up") == ("3", {}) and stack.releases() == {}
    alarms = {"AlarmConfiguration": {"Enabled": True, "Alarms": [{"Name": "errors"}]}}
    assert stack.deploy(template("3", policy=False, **alarms))["StackStatus"] == "UPDATE_COMPLETE", stack.reasons()
    stack.cloudformation.delete_stack(StackName="s")
    assert stack.settle(made["StackId"])["StackStatus"] == "DELETE_COMPLETE", stack.reasons()
    assert deploy.codedeploy.list_applications()["applications"] == ["app"]
    assert deploy.codedeploy.list_deployment_configs()["deploymentConfigsList"][-1].startswith("CodeDeployDefault.")


def test_a_waiting_stack_survives_a_crash(new_cloud):
    cloud = new_cloud().start()
    shop = Shop(lambda service: cloud.client(service), "000000000000")
    shop.version("same")
    stack = Stack(shop)
    assert stack.deploy(template("1"), "create")["StackStatus"] == "CREATE_COMPLETE", stack.reasons()
    stack.change(template("2"))
    name = stack.wait_for_release()
    cloud.kill()
    cloud.start()
    assert list(stack.releases()) == [name] and stack.alias("up") == ("1", {"2": 0.25})
    stack.release.advance_release(Name=name)
    assert stack.settle()["StackStatus"] == "UPDATE_COMPLETE", stack.reasons()
    assert stack.alias("up") == ("2", {})
    assert len(shop.client("codedeploy").list_deployments()["deployments"]) == 1
