"""In whose name a stack is made: the caller's, or that of the role it was given."""

import json

import pytest
from botocore.exceptions import ClientError

from conftest import settled

TEMPLATE = json.dumps({"Resources": {"Topic": {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": "x"}}, "Queue": {"Type": "AWS::SQS::Queue", "DependsOn": "Topic"}}})
TRUST = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "cloudformation.amazonaws.com"}, "Action": "sts:AssumeRole"}]})


def policy(*actions, resource="*"):
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": list(actions), "Resource": resource}]})


@pytest.fixture
def user(secure_cloud):
    """A user's CloudFormation client; its policy is what the test says."""
    iam = secure_cloud.client("iam")
    iam.create_user(UserName="deployer")
    key = iam.create_access_key(UserName="deployer")["AccessKey"]

    def make(*actions):
        iam.put_user_policy(UserName="deployer", PolicyName="p", PolicyDocument=policy(*actions))
        return secure_cloud.client("cloudformation", key=key["AccessKeyId"], secret=key["SecretAccessKey"])

    return make


def deploy(cloudformation, name, **more):
    change_set = cloudformation.create_change_set(StackName=name, ChangeSetName="c", ChangeSetType="CREATE", TemplateBody=TEMPLATE, **more)
    cloudformation.execute_change_set(ChangeSetName=change_set["Id"], StackName=name)
    return settled(cloudformation, change_set["StackId"])


def test_a_stack_can_do_what_its_caller_can(secure_cloud, user):
    cloudformation = user("cloudformation:*", "ssm:*")
    stack = deploy(cloudformation, "s")
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE", stack
    events = cloudformation.describe_stack_events(StackName=stack["StackId"])["StackEvents"]
    failed = [e for e in events if e["ResourceStatus"] == "CREATE_FAILED" and e["LogicalResourceId"] == "Queue"]
    reason = failed[0]["ResourceStatusReason"]
    assert "User: arn:aws:iam::000000000000:user/deployer is not authorized to perform: sqs:CreateQueue on resource: arn:aws:sqs:us-east-1:000000000000:s-Queue-".lower() in reason.lower(), reason
    assert "HandlerErrorCode: AccessDenied" in reason
    # What it was allowed to make is gone again.
    assert secure_cloud.client("ssm").describe_parameters()["Parameters"] == []
    assert secure_cloud.client("sqs").list_queues().get("QueueUrls", []) == []

    cloudformation = user("cloudformation:*", "ssm:*", "sqs:*")
    assert deploy(cloudformation, "t")["StackStatus"] == "CREATE_COMPLETE"
    # Deleting needs its permissions, too.
    cloudformation = user("cloudformation:*", "ssm:*")
    stack = cloudformation.describe_stacks(StackName="t")["Stacks"][0]["StackId"]
    cloudformation.delete_stack(StackName="t")
    gone = settled(cloudformation, stack)
    assert gone["StackStatus"] == "DELETE_FAILED" and "Queue" in gone["StackStatusReason"], gone


def test_a_role_may_do_what_its_caller_may_not(secure_cloud, user):
    iam = secure_cloud.client("iam")
    role = iam.create_role(RoleName="stacks", AssumeRolePolicyDocument=TRUST)["Role"]["Arn"]
    iam.put_role_policy(RoleName="stacks", PolicyName="p", PolicyDocument=policy("sqs:*", "ssm:*"))

    cloudformation = user("cloudformation:*")
    with pytest.raises(ClientError) as caught:
        deploy(cloudformation, "s", RoleARN=role)
    error = caught.value.response["Error"]
    assert error["Code"] == "AccessDenied" and f"iam:PassRole on resource: {role}" in error["Message"], error
    assert secure_cloud.client("cloudformation").describe_stacks()["Stacks"] == []

    cloudformation = user("cloudformation:*", "iam:PassRole")
    stack = deploy(cloudformation, "s", RoleARN=role)
    assert stack["StackStatus"] == "CREATE_COMPLETE" and stack["RoleARN"] == role, stack
    # The role stays with the stack: nobody has to name it again.
    cloudformation.delete_stack(StackName="s")
    assert settled(cloudformation, stack["StackId"])["StackStatus"] == "DELETE_COMPLETE"
    assert secure_cloud.client("sqs").list_queues().get("QueueUrls", []) == []

    # A role that does not trust CloudFormation is none that it can take on.
    other = iam.create_role(RoleName="others", AssumeRolePolicyDocument=TRUST.replace("cloudformation", "lambda"))["Role"]["Arn"]
    with pytest.raises(ClientError) as caught:
        deploy(cloudformation, "v", RoleARN=other)
    assert caught.value.response["Error"] | {"Type": ""} == {"Type": "", "Code": "ValidationError", "Message": f"Role {other} is invalid or cannot be assumed"}

    # What the role lacks, nobody else's permissions make up for.
    iam.put_role_policy(RoleName="stacks", PolicyName="p", PolicyDocument=policy("ssm:*"))
    cloudformation = user("cloudformation:*", "iam:PassRole", "sqs:*")
    stack = deploy(cloudformation, "u", RoleARN=role)
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE", stack
    events = cloudformation.describe_stack_events(StackName=stack["StackId"])["StackEvents"]
    reasons = [e.get("ResourceStatusReason", "") for e in events]
    assert any("assumed-role/stacks/AWSCloudFormation is not authorized to perform: sqs:CreateQueue".lower() in r.lower() for r in reasons), reasons


def test_an_open_cloud_only_reports(client, deploy):
    stack = deploy("s", TEMPLATE, RoleARN="arn:aws:iam::000000000000:role/nobody-made-this-role")
    assert stack["StackStatus"] == "CREATE_COMPLETE", stack
