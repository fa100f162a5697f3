"""What waits: wait conditions and their handles, signals, time-outs, updates that are given up, rollbacks by hand."""

import json
import time
import urllib.error
import urllib.request

import pytest

from conftest import settled

HANDLE = {"Type": "AWS::CloudFormation::WaitConditionHandle"}


@pytest.fixture
def cfn(client):
    return client("cloudformation")


def condition(handle="Handle", timeout="60", **more):
    return {"Type": "AWS::CloudFormation::WaitCondition", "Properties": {"Handle": {"Ref": handle}, "Timeout": timeout, **more}}


def queue(**properties):
    return {"Type": "AWS::SQS::Queue", "Properties": properties}


def start(cfn, name, resources, **more):
    outputs = more.pop("outputs", {})
    return cfn.create_stack(StackName=name, TemplateBody=json.dumps({"Resources": resources, "Outputs": outputs}), **more)["StackId"]


def update(cfn, name, resources, **more):
    cfn.update_stack(StackName=name, TemplateBody=json.dumps({"Resources": resources}), **more)


def resource(cfn, stack, name, status):
    """The resource, once it is in the status."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        rows = {r["LogicalResourceId"]: r for r in cfn.describe_stack_resources(StackName=stack)["StackResources"]}
        if rows.get(name, {}).get("ResourceStatus") == status:
            return rows[name]
        time.sleep(0.02)
    raise AssertionError(f"{name} is not in {status}")


def put(url, **body):
    request = urllib.request.Request(url, json.dumps(body).encode(), method="PUT")
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status
    except urllib.error.HTTPError as error:
        return error.code


def reasons(cfn, stack, status):
    events = cfn.describe_stack_events(StackName=stack)["StackEvents"]
    return {e["LogicalResourceId"]: e.get("ResourceStatusReason", "") for e in events if e["ResourceStatus"] == status}


def test_a_condition_waits_for_as_many_signals_as_it_says(cfn, cloud):
    resources = {"Handle": HANDLE, "Wait": condition(Count=2), "After": {**queue(), "DependsOn": "Wait"}}
    stack = start(cfn, "s", resources, outputs={"Data": {"Value": {"Fn::GetAtt": ["Wait", "Data"]}}})
    url = resource(cfn, stack, "Handle", "CREATE_COMPLETE")["PhysicalResourceId"]
    url = cloud.url + url[url.index("/_undercast") :]
    resource(cfn, stack, "Wait", "CREATE_IN_PROGRESS")
    assert put(url, Status="SUCCESS", UniqueId="a", Data="one", Reason="") == 200
    assert put(url, Status="SUCCESS", UniqueId="a", Data="twice counts once", Reason="") == 200
    assert put(url + "x", Status="SUCCESS", UniqueId="b", Data="", Reason="") == 403
    assert put(url, Status="PERHAPS", UniqueId="b") == 400
    assert cfn.describe_stacks(StackName="s")["Stacks"][0]["StackStatus"] == "CREATE_IN_PROGRESS"
    assert put(url, Status="SUCCESS", UniqueId="b", Data="two", Reason="") == 200
    row = settled(cfn, stack)
    assert row["StackStatus"] == "CREATE_COMPLETE"
    assert json.loads(row["Outputs"][0]["OutputValue"]) == {"a": "one", "b": "two"}


def test_a_condition_fails_by_signal_and_by_time(cfn, cloud):
    stack = start(cfn, "s", {"Handle": HANDLE, "Wait": condition()})
    url = resource(cfn, stack, "Handle", "CREATE_COMPLETE")["PhysicalResourceId"]
    assert put(cloud.url + url[url.index("/_undercast") :], Status="FAILURE", UniqueId="a", Data="", Reason="no luck") == 200
    assert settled(cfn, stack)["StackStatus"] == "ROLLBACK_COMPLETE"
    assert reasons(cfn, stack, "CREATE_FAILED")["Wait"] == "WaitCondition received failed message: 'no luck' for uniqueId: a"
    late = start(cfn, "late", {"Handle": HANDLE, "Wait": condition(timeout="0")})
    assert settled(cfn, late)["StackStatus"] == "ROLLBACK_COMPLETE"
    assert reasons(cfn, late, "CREATE_FAILED")["Wait"] == "WaitCondition timed out. Received 0 conditions when expecting 1"


def test_a_creation_policy_waits_for_signals_to_the_resource(cfn, error):
    policy = {"ResourceSignal": {"Count": 2, "Timeout": "PT5M"}}
    wait = {"Type": "AWS::CloudFormation::WaitCondition", "CreationPolicy": policy}
    stack = start(cfn, "s", {"Wait": wait, "Queue": queue()})
    resource(cfn, stack, "Wait", "CREATE_IN_PROGRESS")
    for name in ("a", "b"):
        cfn.signal_resource(StackName="s", LogicalResourceId="Wait", UniqueId=name, Status="SUCCESS")
    assert settled(cfn, stack)["StackStatus"] == "CREATE_COMPLETE"
    code, message = error(cfn.signal_resource, StackName="s", LogicalResourceId="Wait", UniqueId="c", Status="SUCCESS")
    assert code == "ValidationError" and "CREATE_COMPLETE" in message
    assert error(cfn.signal_resource, StackName="s", LogicalResourceId="Nobody", UniqueId="c", Status="SUCCESS")[0] == "ValidationError"
    late = start(cfn, "late", {"Wait": {**wait, "CreationPolicy": {"ResourceSignal": {"Timeout": "PT0S"}}}})
    assert settled(cfn, late)["StackStatus"] == "ROLLBACK_COMPLETE"
    assert reasons(cfn, late, "CREATE_FAILED")["Wait"] == "Failed to receive 1 resource signal(s) within the specified duration"


def test_an_update_is_given_up(cfn, client, error):
    stack = start(cfn, "s", {"Q": queue(DelaySeconds=1)})
    settled(cfn, stack)
    assert "current stack status" in error(cfn.cancel_update_stack, StackName="s")[1]
    update(cfn, "s", {"Q": queue(DelaySeconds=2), "Handle": HANDLE, "Wait": {**condition(), "DependsOn": "Q"}})
    resource(cfn, stack, "Wait", "CREATE_IN_PROGRESS")
    cfn.cancel_update_stack(StackName="s")
    row = settled(cfn, stack)
    assert row["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert reasons(cfn, stack, "CREATE_FAILED")["Wait"] == "Resource creation cancelled"
    rows = cfn.describe_stack_resources(StackName="s")["StackResources"]
    assert [r["LogicalResourceId"] for r in rows] == ["Q"]
    attributes = client("sqs").get_queue_attributes(QueueUrl=rows[0]["PhysicalResourceId"], AttributeNames=["DelaySeconds"])
    assert attributes["Attributes"]["DelaySeconds"] == "1"


def test_what_failed_and_stayed_is_rolled_back_by_hand(cfn, client, error):
    bad = {**queue(DelaySeconds=9999), "DependsOn": "Q"}
    stack = start(cfn, "new", {"Q": queue(QueueName="q"), "Bad": bad}, DisableRollback=True)
    assert settled(cfn, stack)["StackStatus"] == "CREATE_FAILED"
    assert cfn.rollback_stack(StackName="new")["StackId"] == stack
    assert settled(cfn, stack)["StackStatus"] == "ROLLBACK_COMPLETE"
    assert "QueueUrls" not in client("sqs").list_queues()

    stack = start(cfn, "s", {"Q": queue(DelaySeconds=1)})
    settled(cfn, stack)
    assert "can not be rolled back" in error(cfn.rollback_stack, StackName="s")[1]
    for delay in (2, 3):
        update(cfn, "s", {"Q": queue(DelaySeconds=delay), "More": queue(QueueName=f"more{delay}"), "Bad": {**bad, "DependsOn": ["Q", "More"]}}, DisableRollback=True)
        assert settled(cfn, stack)["StackStatus"] == "UPDATE_FAILED"
    cfn.rollback_stack(StackName="s")
    assert settled(cfn, stack)["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    [left] = client("sqs").list_queues()["QueueUrls"]
    attributes = client("sqs").get_queue_attributes(QueueUrl=left, AttributeNames=["DelaySeconds"])["Attributes"]
    assert attributes["DelaySeconds"] == "1"


ALLOW = {"Effect": "Allow", "Action": "Update:*", "Principal": "*", "Resource": "*"}


def policy(*statements):
    return json.dumps({"Statement": list(statements)})


def test_a_stack_policy_protects_resources_from_updates(cfn, error):
    protect = {"Effect": "Deny", "Action": ["Update:Replace", "Update:Delete"], "Principal": "*", "Resource": "LogicalResourceId/Q"}
    stack = start(cfn, "s", {"Q": queue(QueueName="one", DelaySeconds=1)}, StackPolicyBody=policy(ALLOW, protect))
    settled(cfn, stack)
    assert json.loads(cfn.get_stack_policy(StackName="s")["StackPolicyBody"])["Statement"][1] == protect
    update(cfn, "s", {"Q": queue(QueueName="one", DelaySeconds=2)})
    assert settled(cfn, stack)["StackStatus"] == "UPDATE_COMPLETE"
    update(cfn, "s", {"Q": queue(QueueName="two", DelaySeconds=2)})
    assert settled(cfn, stack)["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert "denied by stack policy: Statement [#2] does not allow [Update:Replace]" in reasons(cfn, stack, "UPDATE_FAILED")["Q"]
    update(cfn, "s", {"Other": queue()})
    assert settled(cfn, stack)["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert [r["LogicalResourceId"] for r in cfn.describe_stack_resources(StackName="s")["StackResources"]] == ["Q"]
    update(cfn, "s", {"Q": queue(QueueName="two")}, StackPolicyDuringUpdateBody=policy(ALLOW))
    assert settled(cfn, stack)["StackStatus"] == "UPDATE_COMPLETE"
    assert error(cfn.set_stack_policy, StackName="s", StackPolicyBody="{}")[0] == "ValidationError"
    cfn.set_stack_policy(StackName="s", StackPolicyBody=policy(ALLOW))
    update(cfn, "s", {"Other": queue()})
    assert settled(cfn, stack)["StackStatus"] == "UPDATE_COMPLETE"
