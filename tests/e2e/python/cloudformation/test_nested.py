"""Nested stacks: creation, outputs, update, rollback of the whole family, deletion."""

import json

import pytest

from conftest import settled


@pytest.fixture
def cfn(client):
    return client("cloudformation")


@pytest.fixture
def put(client, account):
    """Puts a template into a bucket and answers its URL, as AWS writes it."""
    s3 = client("s3")
    bucket = f"templates-{account}"
    s3.create_bucket(Bucket=bucket)

    def upload(key, template):
        s3.put_object(Bucket=bucket, Key=key, Body=json.dumps(template).encode())
        return f"https://s3.amazonaws.com/{bucket}/{key}"

    return upload


def queue(**properties):
    return {"Type": "AWS::SQS::Queue", "Properties": properties}


def nested(url, **more):
    return {"Type": "AWS::CloudFormation::Stack", "Properties": {"TemplateURL": url, **more}}


CHILD = {
    "Parameters": {"Delay": {"Type": "String"}, "Names": {"Type": "CommaDelimitedList", "Default": "a"}},
    "Resources": {"Q": queue(DelaySeconds={"Ref": "Delay"}, QueueName={"Fn::Join": ["-", {"Ref": "Names"}]})},
    "Outputs": {"Url": {"Value": {"Ref": "Q"}}, "Delay": {"Value": {"Ref": "Delay"}}},
}


def parent(url, delay, **resources):
    child = nested(url, Parameters={"Delay": delay, "Names": ["the", "queue"]})
    seen = {"Url": {"Value": {"Fn::GetAtt": ["Child", "Outputs.Url"]}}, "Delay": {"Value": {"Fn::GetAtt": ["Child", "Outputs.Delay"]}}}
    return {"Resources": {"Child": child, **resources}, "Outputs": seen}


def outputs(stack):
    return {o["OutputKey"]: o["OutputValue"] for o in stack.get("Outputs", [])}


def child_of(cfn, stack, name="Child"):
    resource = cfn.describe_stack_resource(StackName=stack, LogicalResourceId=name)["StackResourceDetail"]
    return cfn.describe_stacks(StackName=resource["PhysicalResourceId"])["Stacks"][0]


def test_a_nested_stack_is_made_updated_and_deleted_with_its_parent(cfn, deploy, put, client):
    sqs = client("sqs")
    url = put("child.json", CHILD)
    stack = deploy("s", parent(url, "1"), Tags=[{"Key": "team", "Value": "t"}])
    assert stack["StackStatus"] == "CREATE_COMPLETE", cfn.describe_stack_events(StackName="s")["StackEvents"]
    assert outputs(stack)["Delay"] == "1" and outputs(stack)["Url"].endswith("/the-queue")
    child = child_of(cfn, "s")
    assert child["StackName"].startswith("s-Child-") and child["StackStatus"] == "CREATE_COMPLETE"
    assert child["ParentId"] == child["RootId"] == stack["StackId"] and "ParentId" not in stack
    assert {s.get("ParentId") for s in cfn.list_stacks()["StackSummaries"]} == {None, stack["StackId"]}
    assert sqs.list_queue_tags(QueueUrl=outputs(stack)["Url"])["Tags"] == {"team": "t"}

    stack = deploy("s", parent(url, "2"), kind="UPDATE")
    assert stack["StackStatus"] == "UPDATE_COMPLETE" and outputs(stack)["Delay"] == "2"
    child = child_of(cfn, "s")
    assert child["StackStatus"] == "UPDATE_COMPLETE" and child["Parameters"][0]["ParameterValue"] == "2"
    assert sqs.get_queue_attributes(QueueUrl=outputs(stack)["Url"], AttributeNames=["DelaySeconds"])["Attributes"]["DelaySeconds"] == "2"

    # The same address, another template.
    put("child.json", {**CHILD, "Resources": {**CHILD["Resources"], "More": queue(QueueName="more")}})
    assert deploy("s", parent(url, "2"), kind="UPDATE")["StackStatus"] == "UPDATE_COMPLETE"
    assert any(u.endswith("/more") for u in sqs.list_queues()["QueueUrls"])

    cfn.delete_stack(StackName="s")
    assert settled(cfn, stack["StackId"])["StackStatus"] == "DELETE_COMPLETE"
    assert cfn.describe_stacks(StackName=child["StackId"])["Stacks"][0]["StackStatus"] == "DELETE_COMPLETE"
    assert "QueueUrls" not in sqs.list_queues()


def test_a_failure_within_says_what_failed_and_takes_everything_back(cfn, deploy, put, client):
    bad = {"Resources": {"Good": queue(QueueName="good"), "Bad": {**queue(DelaySeconds=9999), "DependsOn": "Good"}}}
    middle = {"Resources": {"Inner": nested(put("bad.json", bad))}}
    stack = deploy("s", {"Resources": {"Outer": nested(put("middle.json", middle))}})
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    events = cfn.describe_stack_events(StackName="s")["StackEvents"]
    reason = next(e["ResourceStatusReason"] for e in events if e["ResourceStatus"] == "CREATE_FAILED")
    assert "was not successfully created: The following resource(s) failed to create: [Inner]" in reason
    assert "[Bad]" in reason and "DelaySeconds" in reason
    assert "QueueUrls" not in client("sqs").list_queues()
    assert [s["StackName"] for s in cfn.describe_stacks()["Stacks"]] == ["s"]


def test_a_rolled_back_parent_takes_a_finished_child_back(cfn, deploy, put, client):
    """Nothing that the child's update removed or replaced is gone before the parent is done."""
    sqs = client("sqs")
    first = {
        "Resources": {"Kept": queue(DelaySeconds=1), "Replaced": queue(QueueName="one"), "Gone": queue(QueueName="gone")},
        "Outputs": {"Name": {"Value": "first", "Export": {"Name": "of-child"}}},
    }
    second = {
        "Resources": {"Kept": queue(DelaySeconds=2), "Replaced": queue(QueueName="two"), "New": queue(QueueName="new")},
        "Outputs": {"Name": {"Value": "second", "Export": {"Name": "of-child"}}},
    }
    deploy("s", {"Resources": {"Child": nested(put("1.json", first))}, "Outputs": {"N": {"Value": {"Fn::GetAtt": ["Child", "Outputs.Name"]}}}})
    gone = sqs.get_queue_url(QueueName="gone")["QueueUrl"]
    sqs.send_message(QueueUrl=gone, MessageBody="still here")
    bad = {"Resources": {"Child": nested(put("2.json", second)), "Bad": {**queue(DelaySeconds=9999), "DependsOn": "Child"}}}
    stack = deploy("s", bad, kind="UPDATE")
    assert stack["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    child = child_of(cfn, "s")
    assert child["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE" and outputs(child) == {"Name": "first"}
    assert cfn.list_exports()["Exports"][0]["Value"] == "first"
    names = sorted(u.rsplit("/")[-1] for u in sqs.list_queues()["QueueUrls"])
    assert len(names) == 3 and "gone" in names and "one" in names
    assert sqs.receive_message(QueueUrl=gone)["Messages"][0]["Body"] == "still here"
    kept = cfn.describe_stack_resource(StackName=child["StackId"], LogicalResourceId="Kept")["StackResourceDetail"]["PhysicalResourceId"]
    assert sqs.get_queue_attributes(QueueUrl=kept, AttributeNames=["DelaySeconds"])["Attributes"]["DelaySeconds"] == "1"
    # And the family can be updated again.
    assert deploy("s", {"Resources": {"Child": nested(put("2.json", second))}}, kind="UPDATE")["StackStatus"] == "UPDATE_COMPLETE"
    assert sorted(u.rsplit("/")[-1] for u in sqs.list_queues()["QueueUrls"])[:2] == ["new", kept.rsplit("/")[-1]]


def test_a_template_that_nests_itself_comes_to_an_end(cfn, deploy, put, account):
    url = f"https://s3.amazonaws.com/templates-{account}/self.json"
    put("self.json", {"Resources": {"Self": nested(url)}})
    stack = deploy("s", {"Resources": {"Self": nested(url)}})
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    reasons = [e.get("ResourceStatusReason", "") for e in cfn.describe_stack_events(StackName="s")["StackEvents"]]
    assert any("nested more than 10 deep" in reason for reason in reasons)
    assert [s["StackName"] for s in cfn.describe_stacks()["Stacks"]] == ["s"]


def test_a_template_that_is_not_there_fails_the_stack(cfn, deploy, account):
    stack = deploy("s", {"Resources": {"Child": nested(f"https://s3.amazonaws.com/nobody-{account}/x.json")}})
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    events = cfn.describe_stack_events(StackName="s")["StackEvents"]
    assert "S3 error" in next(e["ResourceStatusReason"] for e in events if e["ResourceStatus"] == "CREATE_FAILED")
