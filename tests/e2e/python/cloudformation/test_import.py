"""Resources that are there already are imported; what drifted is found; the registry of types."""

import io
import json
import zipfile

import pytest

from conftest import settled


@pytest.fixture
def cfn(client):
    return client("cloudformation")


TRUST = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]}


def archive(code):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as z:
        z.writestr("index.js", code)
    return data.getvalue()


def kept(kind, **properties):
    return {"Type": kind, "DeletionPolicy": "Retain", "Properties": properties}


TABLE = {"TableName": "orders", "BillingMode": "PAY_PER_REQUEST", "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}], "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}]}


def imported(kind, name, **identifier):
    return {"ResourceType": kind, "LogicalResourceId": name, "ResourceIdentifier": identifier}


@pytest.fixture
def bring(cfn):
    """Imports resources into a stack; answers the stack at rest."""

    def run(name, resources, *wanted):
        change = cfn.create_change_set(StackName=name, ChangeSetName="import", ChangeSetType="IMPORT", TemplateBody=json.dumps({"Resources": resources}), ResourcesToImport=list(wanted), Capabilities=["CAPABILITY_NAMED_IAM"])
        seen = cfn.describe_change_set(ChangeSetName=change["Id"])
        assert seen["Status"] == "CREATE_COMPLETE", seen
        assert {c["ResourceChange"]["Action"] for c in seen["Changes"]} == {"Import"}
        cfn.execute_change_set(ChangeSetName=change["Id"])
        return settled(cfn, change["StackId"])

    return run


def test_resources_are_imported_and_then_belong_to_the_stack(cfn, deploy, bring, client, account):
    sqs, dynamodb, s3, iam, logs, lambda_ = (client(s) for s in ("sqs", "dynamodb", "s3", "iam", "logs", "lambda"))
    url = sqs.create_queue(QueueName="q", Attributes={"DelaySeconds": "3"})["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="kept", DelaySeconds=0)
    dynamodb.create_table(**TABLE)
    dynamodb.put_item(TableName="orders", Item={"id": {"S": "1"}})
    bucket = f"imported-{account}"
    s3.create_bucket(Bucket=bucket)
    role = iam.create_role(RoleName="r", AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
    logs.create_log_group(logGroupName="/g")
    function = {"FunctionName": "f", "Runtime": "nodejs20.x", "Handler": "index.handler", "Role": role}
    lambda_.create_function(**function, Code={"ZipFile": archive("exports.handler = async () => 1")})
    version = lambda_.get_function(FunctionName="f")["Configuration"]["CodeSha256"]
    resources = {
        "Q": kept("AWS::SQS::Queue", QueueName="q", DelaySeconds=3),
        "T": kept("AWS::DynamoDB::Table", **TABLE),
        "B": kept("AWS::S3::Bucket", BucketName=bucket),
        "R": kept("AWS::IAM::Role", RoleName="r", AssumeRolePolicyDocument=TRUST),
        "G": kept("AWS::Logs::LogGroup", LogGroupName="/g"),
        "F": kept("AWS::Lambda::Function", **function, Code={"ZipFile": "exports.handler = async () => 1"}),
    }
    wanted = [imported("AWS::SQS::Queue", "Q", QueueUrl=url), imported("AWS::DynamoDB::Table", "T", TableName="orders"), imported("AWS::S3::Bucket", "B", BucketName=bucket)]
    wanted += [imported("AWS::IAM::Role", "R", RoleName="r"), imported("AWS::Logs::LogGroup", "G", LogGroupName="/g"), imported("AWS::Lambda::Function", "F", FunctionName="f")]
    stack = bring("s", resources, *wanted)
    assert stack["StackStatus"] == "IMPORT_COMPLETE", cfn.describe_stack_events(StackName="s")["StackEvents"]
    rows = {r["LogicalResourceId"]: r for r in cfn.describe_stack_resources(StackName="s")["StackResources"]}
    assert {r["ResourceStatus"] for r in rows.values()} == {"IMPORT_COMPLETE"} and rows["Q"]["PhysicalResourceId"] == url
    assert lambda_.get_function(FunctionName="f")["Configuration"]["CodeSha256"] == version
    outputs = {"Arn": {"Value": {"Fn::GetAtt": ["T", "Arn"]}}}
    resources["Q"]["Properties"]["DelaySeconds"] = 4
    stack = deploy("s", {"Resources": resources, "Outputs": outputs}, kind="UPDATE")
    assert stack["StackStatus"] == "UPDATE_COMPLETE" and stack["Outputs"][0]["OutputValue"].endswith(":table/orders")
    assert sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["DelaySeconds"])["Attributes"]["DelaySeconds"] == "4"
    assert dynamodb.get_item(TableName="orders", Key={"id": {"S": "1"}})["Item"]


def test_an_import_that_fails_leaves_everything_alone(cfn, deploy, client, error, bring):
    sqs = client("sqs")
    url = sqs.create_queue(QueueName="q")["QueueUrl"]
    queue = kept("AWS::SQS::Queue", QueueName="q")
    deploy("s", {"Resources": {"Other": {"Type": "AWS::SQS::Queue"}}})
    other = {"Type": "AWS::SQS::Queue"}

    def refused(resources, *wanted):
        return error(cfn.create_change_set, StackName="s", ChangeSetName="c", ChangeSetType="IMPORT", TemplateBody=json.dumps({"Resources": resources}), ResourcesToImport=list(wanted))[1]

    take = imported("AWS::SQS::Queue", "Q", QueueUrl=url)
    assert "does not exist" in refused({"Q": queue, "Other": other}, imported("AWS::SQS::Queue", "Q", QueueUrl=url + "x"))
    assert "not being imported" in refused({"Q": queue}, take)
    assert "DeletionPolicy" in refused({"Q": {"Type": "AWS::SQS::Queue"}, "Other": other}, take)
    assert "is identified by QueueUrl" in refused({"Q": queue, "Other": other}, imported("AWS::SQS::Queue", "Q", QueueName="q"))
    # One that fails while it is made: the other one is not deleted, though it has been taken in.
    bad = kept("AWS::SQS::Queue", QueueName="q2", Nonsense=1)
    second = sqs.create_queue(QueueName="q2")["QueueUrl"]
    stack = bring("s", {"Q": queue, "Bad": {**bad, "DependsOn": "Q"}, "Other": other}, take, imported("AWS::SQS::Queue", "Bad", QueueUrl=second))
    assert stack["StackStatus"] == "IMPORT_ROLLBACK_COMPLETE"
    assert [r["LogicalResourceId"] for r in cfn.describe_stack_resources(StackName="s")["StackResources"]] == ["Other"]
    assert {url, second} <= set(sqs.list_queues()["QueueUrls"])
    assert bring("s", {"Q": queue, "Other": other}, take)["StackStatus"] == "IMPORT_COMPLETE"


def test_what_is_there_under_its_name_is_taken_in_where_that_is_asked_for(cfn, client, account):
    bucket = f"there-{account}"
    client("s3").create_bucket(Bucket=bucket)
    client("s3").put_object(Bucket=bucket, Key="k", Body=b"kept")
    resources = {"B": kept("AWS::S3::Bucket", BucketName=bucket), "Q": {"Type": "AWS::SQS::Queue"}}

    def change(name, **more):
        made = cfn.create_change_set(StackName=name, ChangeSetName="c", ChangeSetType="CREATE", TemplateBody=json.dumps({"Resources": resources}), **more)
        seen = cfn.describe_change_set(ChangeSetName=made["Id"])["Changes"]
        cfn.execute_change_set(ChangeSetName=made["Id"])
        return {c["ResourceChange"]["LogicalResourceId"]: c["ResourceChange"]["Action"] for c in seen}, settled(cfn, made["StackId"])

    assert change("no")[1]["StackStatus"] == "ROLLBACK_COMPLETE"
    resources["Bad"] = {"Type": "AWS::SQS::Queue", "Properties": {"DelaySeconds": 9999}, "DependsOn": "B"}
    assert change("bad", ImportExistingResources=True)[1]["StackStatus"] == "ROLLBACK_COMPLETE"
    del resources["Bad"]
    actions, stack = change("s", ImportExistingResources=True)
    assert actions == {"B": "Import", "Q": "Add"} and stack["StackStatus"] == "CREATE_COMPLETE"
    assert client("s3").get_object(Bucket=bucket, Key="k")["Body"].read() == b"kept"
    # What a stack has is not taken from it.
    assert change("other", ImportExistingResources=True)[0] == {"B": "Add", "Q": "Add"}


def test_drift_is_found(cfn, deploy, client, error):
    stack = deploy("s", {"Resources": {"Q": {"Type": "AWS::SQS::Queue", "Properties": {"DelaySeconds": 3}}, "P": {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": "v"}}, "Vpc": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.0.0.0/16"}}}})
    assert stack["DriftInformation"]["StackDriftStatus"] == "NOT_CHECKED"
    ids = {r["LogicalResourceId"]: r["PhysicalResourceId"] for r in cfn.describe_stack_resources(StackName="s")["StackResources"]}

    def detect():
        detection = cfn.detect_stack_drift(StackName="s")["StackDriftDetectionId"]
        return cfn.describe_stack_drift_detection_status(StackDriftDetectionId=detection)

    seen = detect()
    assert (seen["DetectionStatus"], seen["StackDriftStatus"], seen["DriftedStackResourceCount"]) == ("DETECTION_COMPLETE", "IN_SYNC", 0)
    client("sqs").set_queue_attributes(QueueUrl=ids["Q"], Attributes={"DelaySeconds": "9"})
    client("ssm").delete_parameter(Name=ids["P"])
    assert detect()["DriftedStackResourceCount"] == 2
    drifts = {d["LogicalResourceId"]: d for d in cfn.describe_stack_resource_drifts(StackName="s")["StackResourceDrifts"]}
    assert {k: d["StackResourceDriftStatus"] for k, d in drifts.items()} == {"Q": "MODIFIED", "P": "DELETED"}
    assert drifts["Q"]["PropertyDifferences"] == [{"PropertyPath": "/DelaySeconds", "ExpectedValue": "3", "ActualValue": "9", "DifferenceType": "NOT_EQUAL"}]
    assert cfn.describe_stacks(StackName="s")["Stacks"][0]["DriftInformation"]["StackDriftStatus"] == "DRIFTED"
    one = cfn.detect_stack_resource_drift(StackName="s", LogicalResourceId="Q")["StackResourceDrift"]
    assert one["StackResourceDriftStatus"] == "MODIFIED"
    assert "not supported" in error(cfn.detect_stack_resource_drift, StackName="s", LogicalResourceId="Vpc")[1]
    only = cfn.describe_stack_resource_drifts(StackName="s", StackResourceDriftStatusFilters=["DELETED"])["StackResourceDrifts"]
    assert [d["LogicalResourceId"] for d in only] == ["P"]
    last = cfn.detect_stack_drift(StackName="s")["StackDriftDetectionId"]
    cfn.delete_stack(StackName="s")
    assert settled(cfn, stack["StackId"])["StackStatus"] == "DELETE_COMPLETE"
    assert error(cfn.describe_stack_drift_detection_status, StackDriftDetectionId=last)[0] == "ValidationError"


def test_a_change_set_shows_values_before_and_after(cfn, deploy):
    deploy("s", {"Resources": {"Q": {"Type": "AWS::SQS::Queue", "Properties": {"DelaySeconds": 3}}}})
    new = {"Resources": {"Q": {"Type": "AWS::SQS::Queue", "Properties": {"DelaySeconds": 4}}, "N": {"Type": "AWS::SQS::Queue"}}}
    change = cfn.create_change_set(StackName="s", ChangeSetName="c", TemplateBody=json.dumps(new))["Id"]
    seen = cfn.describe_change_set(ChangeSetName=change, IncludePropertyValues=True)["Changes"]
    seen = {c["ResourceChange"]["LogicalResourceId"]: c["ResourceChange"] for c in seen}
    target = seen["Q"]["Details"][0]["Target"]
    assert (target["BeforeValue"], target["AfterValue"], target["Path"]) == ("3", "4", "/Properties/DelaySeconds")
    assert json.loads(seen["Q"]["BeforeContext"]) == {"Properties": {"DelaySeconds": 3}} and "BeforeContext" not in seen["N"]
    plain = cfn.describe_change_set(ChangeSetName=change)["Changes"]
    assert all("BeforeContext" not in c["ResourceChange"] for c in plain)


def test_types_limits_and_failed_events_are_told(cfn, deploy, error):
    names, token = [], {}
    while True:
        seen = cfn.list_types(Visibility="PUBLIC", Type="RESOURCE", **token)
        names += [t["TypeName"] for t in seen["TypeSummaries"]]
        if "NextToken" not in seen:
            break
        token = {"NextToken": seen["NextToken"]}
    assert "AWS::SQS::Queue" in names and "AWS::EC2::VPC" in names and names == sorted(names)
    assert cfn.list_types(Visibility="PRIVATE")["TypeSummaries"] == []
    schema = json.loads(cfn.describe_type(Type="RESOURCE", TypeName="AWS::SQS::Queue")["Schema"])
    assert "DelaySeconds" in schema["properties"] and "/properties/QueueName" in schema["createOnlyProperties"]
    assert error(cfn.describe_type, Type="RESOURCE", TypeName="AWS::No::Such")[0] in ("TypeNotFoundException", "TypeNotFound")
    assert {"Name": "StackLimit", "Value": 2000} in cfn.describe_account_limits()["AccountLimits"]
    deploy("s", {"Resources": {"Bad": {"Type": "AWS::SQS::Queue", "Properties": {"DelaySeconds": 9999}}}})
    failed = cfn.describe_events(StackName="s", Filters={"FailedEvents": True})["OperationEvents"]
    assert [e["LogicalResourceId"] for e in failed] == ["Bad"] and "DelaySeconds" in failed[0]["ResourceStatusReason"]
    summary = cfn.get_template_summary(TemplateBody=json.dumps({"Resources": {"Q": {"Type": "AWS::SQS::Queue"}}}))
    assert summary["ResourceIdentifierSummaries"] == [{"ResourceType": "AWS::SQS::Queue", "LogicalResourceIds": ["Q"], "ResourceIdentifiers": ["QueueUrl"]}]
