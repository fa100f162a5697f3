"""CloudFormation through boto3: change sets, updates, replacement, rollback, deletion, exports."""

import json
import time

import pytest

from conftest import settled

TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


@pytest.fixture
def cfn(client):
    return client("cloudformation")


def queue(**properties):
    return {"Type": "AWS::SQS::Queue", "Properties": properties}


def template(resources, **sections):
    return {"Resources": resources, **sections}


def events(cfn, stack):
    pages = cfn.get_paginator("describe_stack_events").paginate(StackName=stack)
    return [e for page in pages for e in page["StackEvents"]][::-1]


def outputs(stack):
    return {o["OutputKey"]: o["OutputValue"] for o in stack.get("Outputs", [])}


def test_a_stack_is_created_in_the_order_of_its_dependencies(cfn, deploy, client):
    stack = deploy(
        "s",
        template(
            {
                "Live": queue(RedrivePolicy={"deadLetterTargetArn": {"Fn::GetAtt": ["Dead", "Arn"]}, "maxReceiveCount": 3}),
                "Dead": queue(),
                "Last": {**queue(), "DependsOn": "Live"},
            },
            Outputs={"Url": {"Value": {"Ref": "Live"}}, "Name": {"Value": {"Fn::GetAtt": ["Live", "QueueName"]}}},
        ),
        Tags=[{"Key": "team", "Value": "t"}],
    )
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    assert stack["Tags"] == [{"Key": "team", "Value": "t"}]
    done = [e["LogicalResourceId"] for e in events(cfn, "s") if e["ResourceStatus"] == "CREATE_COMPLETE"]
    assert done == ["Dead", "Live", "Last", "s"]
    statuses = [e["ResourceStatus"] for e in events(cfn, "s") if e["LogicalResourceId"] == "s"]
    assert statuses == ["REVIEW_IN_PROGRESS", "CREATE_IN_PROGRESS", "CREATE_COMPLETE"]
    assert client("sqs").list_queue_tags(QueueUrl=outputs(stack)["Url"])["Tags"] == {"team": "t"}
    assert outputs(stack)["Name"].startswith("s-Live-")
    rows = cfn.list_stack_resources(StackName="s")["StackResourceSummaries"]
    assert [r["LogicalResourceId"] for r in rows] == ["Dead", "Last", "Live"]
    assert json.loads(json.dumps(cfn.get_template(StackName="s")["TemplateBody"]))["Resources"]["Dead"]


def test_an_update_changes_in_place_replaces_adds_and_removes(cfn, deploy, client):
    sqs = client("sqs")
    first = deploy("s", template({"A": queue(DelaySeconds=1), "B": queue(QueueName="b-one"), "C": queue()}))
    before = {r["LogicalResourceId"]: r["PhysicalResourceId"] for r in cfn.list_stack_resources(StackName="s")["StackResourceSummaries"]}
    new = template({"A": queue(DelaySeconds=2), "B": queue(QueueName="b-two"), "D": queue()})
    change = cfn.create_change_set(StackName="s", ChangeSetName="look", TemplateBody=json.dumps(new))
    seen = {c["ResourceChange"]["LogicalResourceId"]: c["ResourceChange"] for c in cfn.describe_change_set(ChangeSetName=change["Id"])["Changes"]}
    assert {k: v["Action"] for k, v in seen.items()} == {"A": "Modify", "B": "Modify", "C": "Remove", "D": "Add"}
    assert (seen["A"]["Replacement"], seen["B"]["Replacement"]) == ("False", "True")
    stack = deploy("s", new, kind="UPDATE")
    assert stack["StackStatus"] == "UPDATE_COMPLETE" and stack["StackId"] == first["StackId"]
    after = {r["LogicalResourceId"]: r["PhysicalResourceId"] for r in cfn.list_stack_resources(StackName="s")["StackResourceSummaries"]}
    assert after["A"] == before["A"] and after["B"].endswith("/b-two") and "C" not in after
    assert sqs.get_queue_attributes(QueueUrl=after["A"], AttributeNames=["DelaySeconds"])["Attributes"]["DelaySeconds"] == "2"
    urls = sqs.list_queues()["QueueUrls"]
    assert before["B"] not in urls and before["C"] not in urls and after["D"] in urls


def test_nothing_to_change_is_said(cfn, deploy, error):
    body = template({"A": queue()})
    deploy("s", body)
    assert error(cfn.update_stack, StackName="s", TemplateBody=json.dumps(body)) == ("ValidationError", "No updates are to be performed.")
    change = cfn.create_change_set(StackName="s", ChangeSetName="again", TemplateBody=json.dumps(body))
    seen = cfn.describe_change_set(ChangeSetName=change["Id"])
    assert seen["Status"] == "FAILED" and "didn't contain changes" in seen["StatusReason"]


def test_a_failed_creation_is_rolled_back(cfn, deploy, client):
    body = template({"Good": queue(QueueName="good"), "Bad": {**queue(DelaySeconds=9999), "DependsOn": "Good"}})
    stack = deploy("s", body)
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    failed = [e for e in events(cfn, "s") if e["ResourceStatus"] == "CREATE_FAILED"]
    assert "DelaySeconds" in failed[0]["ResourceStatusReason"] and failed[0]["LogicalResourceId"] == "Bad"
    assert "QueueUrls" not in client("sqs").list_queues()


def test_a_failed_update_puts_everything_back(cfn, deploy, client):
    sqs = client("sqs")
    deploy("s", template({"A": queue(DelaySeconds=1), "B": queue(QueueName="one")}))
    bad = template({"A": queue(DelaySeconds=2), "B": queue(QueueName="two"), "New": queue(QueueName="new"), "Bad": {**queue(DelaySeconds=9999), "DependsOn": ["A", "B", "New"]}})
    stack = deploy("s", bad, kind="UPDATE")
    assert stack["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    rows = {r["LogicalResourceId"]: r["PhysicalResourceId"] for r in cfn.list_stack_resources(StackName="s")["StackResourceSummaries"]}
    assert set(rows) == {"A", "B"} and rows["B"].endswith("/one")
    assert sqs.get_queue_attributes(QueueUrl=rows["A"], AttributeNames=["DelaySeconds"])["Attributes"]["DelaySeconds"] == "1"
    assert sorted(u.rsplit("/")[-1] for u in sqs.list_queues()["QueueUrls"]) == sorted([rows["A"].rsplit("/")[-1], "one"])
    # And the stack can be updated again.
    assert deploy("s", template({"A": queue(DelaySeconds=3)}), kind="UPDATE")["StackStatus"] == "UPDATE_COMPLETE"


def test_deletion_takes_all_but_what_is_retained(cfn, deploy, client):
    body = template({"Gone": queue(), "Kept": {**queue(QueueName="kept"), "DeletionPolicy": "Retain"}})
    stack = deploy("s", body)
    cfn.delete_stack(StackName="s")
    assert settled(cfn, stack["StackId"])["StackStatus"] == "DELETE_COMPLETE"
    assert [u.rsplit("/")[-1] for u in client("sqs").list_queues()["QueueUrls"]] == ["kept"]
    cfn.delete_stack(StackName="s")


def test_exports_hold_their_stack_while_somebody_imports_them(cfn, deploy, error):
    deploy("out", template({"Q": queue()}, Outputs={"Arn": {"Value": {"Fn::GetAtt": ["Q", "Arn"]}, "Export": {"Name": "the-arn"}}}))
    assert cfn.list_exports()["Exports"][0]["Name"] == "the-arn"
    redrive = {"deadLetterTargetArn": {"Fn::ImportValue": "the-arn"}, "maxReceiveCount": 1}
    user = deploy("in", template({"Q": queue(RedrivePolicy=redrive)}))
    assert user["StackStatus"] == "CREATE_COMPLETE"
    assert cfn.list_imports(ExportName="the-arn")["Imports"] == ["in"]
    code, message = error(cfn.delete_stack, StackName="out")
    assert code == "ValidationError" and "the-arn" in message and "in use by in" in message
    # Nor can the export change or go.
    changed = {"Arn": {"Value": {"Fn::GetAtt": ["Q", "Arn"]}, "Export": {"Name": "the-arn"}}}
    for new, says in (
        (template({"Q": queue(QueueName="another")}, Outputs=changed), "Cannot update export the-arn as it is in use by in"),
        (template({"Q": queue()}, Outputs={"Other": {"Value": "x"}}), "Cannot delete export the-arn as it is in use by in"),
    ):
        assert deploy("out", new, kind="UPDATE")["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
        reasons = [e.get("ResourceStatusReason", "") for e in events(cfn, "out")]
        assert any(says in reason for reason in reasons)
    [export] = cfn.list_exports()["Exports"]
    assert export["Value"] == outputs(cfn.describe_stacks(StackName="out")["Stacks"][0])["Arn"]
    cfn.delete_stack(StackName="in")
    settled(cfn, user["StackId"])
    cfn.delete_stack(StackName="out")


def test_parameters_conditions_mappings_and_rules(cfn, deploy, client, error):
    client("ssm").put_parameter(Name="/delay", Value="7", Type="String")
    body = template(
        {
            "Q": queue(DelaySeconds={"Ref": "Delay"}, QueueName={"Fn::Join": ["-", ["q", {"Fn::FindInMap": ["Names", {"Ref": "Stage"}, "name"]}]]}),
            "Extra": {**queue(), "Condition": "IsProd"},
        },
        Parameters={
            "Stage": {"Type": "String", "AllowedValues": ["dev", "prod"], "Default": "dev"},
            "Delay": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/delay"},
        },
        Mappings={"Names": {"dev": {"name": "d"}, "prod": {"name": "p"}}},
        Conditions={"IsProd": {"Fn::Equals": [{"Ref": "Stage"}, "prod"]}},
        Rules={"R": {"Assertions": [{"Assert": {"Fn::Contains": [["7", "8"], {"Ref": "Delay"}]}, "AssertDescription": "delay is 7 or 8"}]}},
        Outputs={"Delay": {"Value": {"Ref": "Delay"}}},
    )
    stack = deploy("s", body)
    assert outputs(stack) == {"Delay": "7"}
    assert [r["LogicalResourceId"] for r in cfn.list_stack_resources(StackName="s")["StackResourceSummaries"]] == ["Q"]
    parameter = {p["ParameterKey"]: p for p in stack["Parameters"]}["Delay"]
    assert (parameter["ParameterValue"], parameter["ResolvedValue"]) == ("/delay", "7")
    prod = [{"ParameterKey": "Stage", "ParameterValue": "prod"}]
    assert deploy("s", body, kind="UPDATE", Parameters=prod)["StackStatus"] == "UPDATE_COMPLETE"
    assert len(cfn.list_stack_resources(StackName="s")["StackResourceSummaries"]) == 2
    wrong = [{"ParameterKey": "Stage", "ParameterValue": "test"}]
    code, message = error(cfn.create_stack, StackName="t", TemplateBody=json.dumps(body), Parameters=wrong)
    assert (code, message) == ("ValidationError", "Parameter 'Stage' must be one of AllowedValues")
    client("ssm").put_parameter(Name="/delay", Value="9", Type="String", Overwrite=True)
    code, message = error(cfn.create_stack, StackName="t", TemplateBody=json.dumps(body))
    assert "delay is 7 or 8" in message


@pytest.mark.parametrize(
    "body, message",
    [
        ({"Resources": {}}, "At least one Resources member must be defined"),
        ({"Resources": {"A": {"Type": "AWS::Nope::Nothing"}}}, "Unrecognized resource types: [AWS::Nope::Nothing]"),
        ({"Resources": {"A": queue(X={"Ref": "B"})}}, "Unresolved resource dependencies [B] in the Resources block"),
        ({"Resources": {"A": {**queue(), "DependsOn": "B"}, "B": {**queue(), "DependsOn": "A"}}}, "Circular dependency between resources: [A, B]"),
        ({"Resources": {"A": queue()}, "Nonsense": 1}, "Invalid template property or properties [Nonsense]"),
        ({"Resources": {"A": queue()}, "Transform": "AWS::Serverless-2016-10-31"}, "Requires capabilities : [CAPABILITY_AUTO_EXPAND]"),
        ({"Resources": {"R": {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": TRUST}}}}, "Requires capabilities : [CAPABILITY_IAM]"),
        ("Resources: [", "YAML not well-formed"),
    ],
)
def test_bad_templates_are_refused_and_change_nothing(cfn, error, body, message):
    text = body if isinstance(body, str) else json.dumps(body)
    assert message in error(cfn.create_stack, StackName="s", TemplateBody=text)[1]
    assert cfn.list_stacks()["StackSummaries"] == []


def test_an_unknown_property_fails_the_stack_by_name(cfn, deploy):
    assert deploy("s", template({"A": queue(Nonsense=1)}))["StackStatus"] == "ROLLBACK_COMPLETE"
    failed = [e for e in events(cfn, "s") if e["ResourceStatus"] == "CREATE_FAILED"]
    assert "Nonsense" in failed[0]["ResourceStatusReason"]


def test_yaml_with_short_tags_is_understood(deploy):
    body = """
Parameters: { Name: { Type: String, Default: n } }
Resources:
  Dead: { Type: AWS::SQS::Queue }
  Live:
    Type: AWS::SQS::Queue
    Properties:
      QueueName: !Sub "${Name}-live"
      RedrivePolicy: { deadLetterTargetArn: !GetAtt Dead.Arn, maxReceiveCount: !If [Yes_, 2, 3] }
Conditions: { "Yes": !Equals [a, a] }
Outputs:
  Name: { Value: !Select [1, !Split ["-", !GetAtt Live.QueueName]] }
""".replace("Yes_", '"Yes"')
    assert outputs(deploy("s", body)) == {"Name": "live"}


def test_protection_names_and_missing_stacks(cfn, deploy, error):
    deploy("s", template({"A": queue()}))
    cfn.update_termination_protection(StackName="s", EnableTerminationProtection=True)
    assert "TerminationProtection" in error(cfn.delete_stack, StackName="s")[1]
    code, message = error(cfn.create_stack, StackName="s", TemplateBody=json.dumps(template({"A": queue()})))
    assert (code, message) == ("AlreadyExistsException", "Stack [s] already exists")
    assert error(cfn.describe_stacks, StackName="nope") == ("ValidationError", "Stack with id nope does not exist")
    assert error(cfn.describe_change_set, StackName="nope", ChangeSetName="c") == ("ValidationError", "Stack [nope] does not exist")


def test_a_custom_resource_is_made_changed_and_deleted_by_its_function(cfn, deploy, client):
    source = """
const https = require("https"), http = require("http");
exports.handler = async (event) => {
  const url = new URL(event.ResponseURL);
  const fail = event.ResourceProperties.Fail === "true" && event.RequestType !== "Delete";
  const body = JSON.stringify({
    Status: fail ? "FAILED" : "SUCCESS", Reason: "asked to", PhysicalResourceId: "thing-" + event.ResourceProperties.Name,
    StackId: event.StackId, RequestId: event.RequestId, LogicalResourceId: event.LogicalResourceId,
    Data: { Shout: event.ResourceProperties.Name.toUpperCase(), Type: event.RequestType },
  });
  await new Promise((done, broken) => {
    const client = url.protocol === "https:" ? https : http;
    const request = client.request({ hostname: url.hostname, port: url.port || undefined, path: url.pathname + url.search, method: "PUT", headers: { "content-length": Buffer.byteLength(body) } }, (r) => { r.resume(); r.on("end", done); });
    request.on("error", broken);
    request.end(body);
  });
};
"""

    def body(name, **more):
        return template(
            {
                "Role": {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": TRUST}},
                "Function": {
                    "Type": "AWS::Lambda::Function",
                    "Properties": {"Runtime": "nodejs20.x", "Handler": "index.handler", "Role": {"Fn::GetAtt": ["Role", "Arn"]}, "Code": {"ZipFile": source}},
                },
                "Thing": {"Type": "Custom::Thing", "Properties": {"ServiceToken": {"Fn::GetAtt": ["Function", "Arn"]}, "Name": name, **more}},
            },
            Outputs={"Shout": {"Value": {"Fn::GetAtt": ["Thing", "Shout"]}}, "Id": {"Value": {"Ref": "Thing"}}, "Type": {"Value": {"Fn::GetAtt": ["Thing", "Type"]}}},
        )

    assert outputs(deploy("s", body("ann"))) == {"Shout": "ANN", "Id": "thing-ann", "Type": "Create"}
    stack = deploy("s", body("bob"), kind="UPDATE")
    assert outputs(stack) == {"Shout": "BOB", "Id": "thing-bob", "Type": "Update"}
    failed = deploy("s", body("eve", Fail=True), kind="UPDATE")
    assert failed["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert any("asked to" in e.get("ResourceStatusReason", "") for e in events(cfn, "s"))
    cfn.delete_stack(StackName="s")
    assert settled(cfn, stack["StackId"])["StackStatus"] == "DELETE_COMPLETE"
