"""Macros, dynamic references, types that are inert, exports that are held."""

import json

import pytest

from conftest import settled

ROLE = {
    "Type": "AWS::IAM::Role",
    "Properties": {
        "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
    },
}
CODE = """
exports.handler = async (event) => {
  const { fragment, params, transformId, requestId, templateParameterValues } = event;
  if (params.Fail) return { requestId, status: "failure", errorMessage: params.Fail };
  if (transformId.endsWith("::Delay")) {
    fragment.DelaySeconds = Number(params.Seconds) + Number(templateParameterValues.More);
    return { requestId, status: "success", fragment };
  }
  fragment.Resources.Made = { Type: "AWS::SQS::Queue", Properties: { QueueName: "made" } };
  return { requestId, status: "SUCCESS", fragment };
};
"""


@pytest.fixture
def cfn(client):
    return client("cloudformation")


@pytest.fixture
def macros(deploy):
    """A stack with two macros, `Delay` and `Whole`, of one function."""
    function = {"Type": "AWS::Lambda::Function", "Properties": {"Runtime": "nodejs20.x", "Handler": "index.handler", "Code": {"ZipFile": CODE}, "Role": {"Fn::GetAtt": ["Role", "Arn"]}}}

    def named(name):
        return {"Type": "AWS::CloudFormation::Macro", "Properties": {"Name": name, "FunctionName": {"Fn::GetAtt": ["Function", "Arn"]}}}

    stack = deploy("macros", {"Resources": {"Role": ROLE, "Function": function, "A": named("Delay"), "B": named("Whole")}})
    assert stack["StackStatus"] == "CREATE_COMPLETE"


def called(name="Delay", **parameters):
    return {"Fn::Transform": {"Name": name, "Parameters": parameters}}


def test_macros_make_fragments_and_whole_templates(cfn, deploy, client, macros):
    sqs = client("sqs")
    template = {
        "Transform": ["Whole"],
        "Parameters": {"More": {"Type": "String", "Default": "5"}},
        "Resources": {"Q": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "written", **called(Seconds=2)}}},
    }
    stack = deploy("s", template)
    assert stack["StackStatus"] == "CREATE_COMPLETE", stack
    assert {u.rsplit("/")[-1] for u in sqs.list_queues()["QueueUrls"]} == {"written", "made"}
    url = sqs.get_queue_url(QueueName="written")["QueueUrl"]
    assert sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["DelaySeconds"])["Attributes"]["DelaySeconds"] == "7"
    assert "Transform" in cfn.get_template(StackName="s", TemplateStage="Original")["TemplateBody"]
    assert "Made" in cfn.get_template(StackName="s", TemplateStage="Processed")["TemplateBody"]["Resources"]


def test_a_macro_that_fails_or_is_not_there_says_so(cfn, client, account, macros):
    def status(**template):
        body = json.dumps({"Parameters": {"More": {"Type": "String", "Default": "5"}}, **template})
        change = cfn.create_change_set(StackName="bad", ChangeSetName="c", ChangeSetType="CREATE", TemplateBody=body)
        seen = cfn.describe_change_set(ChangeSetName=change["Id"])
        cfn.delete_stack(StackName=change["StackId"])
        settled(cfn, change["StackId"])
        assert seen["Status"] == "FAILED"
        return seen["StatusReason"]

    queue = {"Type": "AWS::SQS::Queue", "Properties": called(Fail="not today")}
    assert status(Resources={"Q": queue}) == f"Transform {account}::Delay failed with: not today"
    assert status(Transform="Nobody", Resources={"Q": {"Type": "AWS::SQS::Queue"}}) == f"No transform named {account}::Nobody found."


def parameter(value):
    return {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": value}}


def reason(cfn, stack):
    events = cfn.describe_stack_events(StackName=stack)["StackEvents"]
    return next(e["ResourceStatusReason"] for e in events if e["ResourceStatus"] == "CREATE_FAILED")


def test_dynamic_references_are_resolved_and_not_shown(cfn, deploy, client):
    ssm = client("ssm")
    ssm.put_parameter(Name="/plain", Value="first", Type="String")
    ssm.put_parameter(Name="/plain", Value="second", Type="String", Overwrite=True)
    value = "{{resolve:ssm:/plain:1}}-{{resolve:ssm:/plain}}"
    template = {"Resources": {"P": parameter(value)}, "Outputs": {"Name": {"Value": {"Ref": "P"}}}}
    stack = deploy("s", template)
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    name = stack["Outputs"][0]["OutputValue"]
    assert ssm.get_parameter(Name=name)["Parameter"]["Value"] == "first-second"
    assert "first-second" not in json.dumps(cfn.describe_stack_events(StackName="s")["StackEvents"], default=str)
    template["Resources"]["P"] = parameter("{{resolve:ssm:/plain:2}}")
    assert deploy("s", template, kind="UPDATE")["StackStatus"] == "UPDATE_COMPLETE"
    assert ssm.get_parameter(Name=name)["Parameter"]["Value"] == "second"
    cfn.delete_stack(StackName="s")
    assert settled(cfn, stack["StackId"])["StackStatus"] == "DELETE_COMPLETE"


@pytest.mark.parametrize(
    "reference, says",
    [
        ("ssm:/nobody:1", "Parameters: [ssm:/nobody:1] cannot be found."),
        ("ssm-secure:/plain", "is no SecureString"),
        ("nothing:x", "nothing is not known"),
        ("secretsmanager:nobody:SecretString:password", "secret"),
    ],
)
def test_a_reference_to_nothing_fails_the_resource(cfn, deploy, client, reference, says):
    client("ssm").put_parameter(Name="/plain", Value="v", Type="String")
    stack = deploy("s", {"Resources": {"P": parameter(f"{{{{resolve:{reference}}}}}")}})
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE" and says.lower() in reason(cfn, "s").lower()


def test_networks_are_inert_and_answer(cfn, deploy):
    resources = {
        "Vpc": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.0.0.0/16"}},
        "Subnet": {"Type": "AWS::EC2::Subnet", "Properties": {"VpcId": {"Ref": "Vpc"}, "CidrBlock": "10.0.0.0/24", "AvailabilityZone": "us-east-1b"}},
        "Group": {"Type": "AWS::EC2::SecurityGroup", "Properties": {"GroupDescription": "d", "VpcId": {"Ref": "Vpc"}}},
        "Gateway": {"Type": "AWS::EC2::InternetGateway"},
        "Attached": {"Type": "AWS::EC2::VPCGatewayAttachment", "Properties": {"VpcId": {"Ref": "Vpc"}, "InternetGatewayId": {"Ref": "Gateway"}}},
        "Ip": {"Type": "AWS::EC2::EIP", "Properties": {"Domain": "vpc"}, "DependsOn": "Attached"},
        "Nat": {"Type": "AWS::EC2::NatGateway", "Properties": {"SubnetId": {"Ref": "Subnet"}, "AllocationId": {"Fn::GetAtt": ["Ip", "AllocationId"]}}},
    }
    seen = {"Zone": ["Subnet", "AvailabilityZone"], "Group": ["Group", "GroupId"], "Default": ["Vpc", "DefaultSecurityGroup"], "Cidr": ["Vpc", "CidrBlock"]}
    template = {"Resources": resources, "Outputs": {k: {"Value": {"Fn::GetAtt": v}} for k, v in seen.items()}}
    stack = deploy("s", template)
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    outputs = {o["OutputKey"]: o["OutputValue"] for o in stack["Outputs"]}
    assert outputs["Zone"] == "us-east-1b" and outputs["Cidr"] == "10.0.0.0/16"
    assert outputs["Group"].startswith("sg-") and outputs["Default"].startswith("sg-") and outputs["Group"] != outputs["Default"]
    events = cfn.describe_stack_events(StackName="s")["StackEvents"]
    complete = next(e for e in events if e["LogicalResourceId"] == "Vpc" and e["ResourceStatus"] == "CREATE_COMPLETE")
    assert complete["PhysicalResourceId"].startswith("vpc-") and complete["ResourceStatusReason"].startswith("Inert:")
    ids = {r["LogicalResourceId"]: r["PhysicalResourceId"] for r in cfn.describe_stack_resources(StackName="s")["StackResources"]}
    template["Resources"]["Vpc"]["Properties"]["CidrBlock"] = "10.1.0.0/16"
    template["Resources"]["Gateway"]["Properties"] = {"Tags": [{"Key": "a", "Value": "b"}]}
    assert deploy("s", template, kind="UPDATE")["StackStatus"] == "UPDATE_COMPLETE"
    after = {r["LogicalResourceId"]: r["PhysicalResourceId"] for r in cfn.describe_stack_resources(StackName="s")["StackResources"]}
    assert after["Vpc"] != ids["Vpc"] and after["Gateway"] == ids["Gateway"]


def test_an_application_within_a_serverless_template_is_a_nested_stack(cfn, deploy, client, account):
    s3 = client("s3")
    s3.create_bucket(Bucket=f"apps-{account}")
    s3.put_object(Bucket=f"apps-{account}", Key="a.json", Body=json.dumps({"Parameters": {"Name": {"Type": "String"}}, "Resources": {"Q": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": {"Ref": "Name"}}}}}).encode())
    application = {"Type": "AWS::Serverless::Application", "Properties": {"Location": f"s3://apps-{account}/a.json", "Parameters": {"Name": "of-app"}}}
    stack = deploy("s", {"Transform": "AWS::Serverless-2016-10-31", "Resources": {"App": application}})
    assert stack["StackStatus"] == "CREATE_COMPLETE", stack
    url = client("sqs").get_queue_url(QueueName="of-app")["QueueUrl"]
    assert client("sqs").list_queue_tags(QueueUrl=url)["Tags"] == {"lambda:createdBy": "SAM"}


def test_what_has_no_effect_is_said_in_the_events(cfn, deploy):
    queue = {"Type": "AWS::SQS::Queue", "CreationPolicy": {"ResourceSignal": {"Count": 1}}, "UpdatePolicy": {"AutoScalingReplacingUpdate": {"WillReplace": True}}}
    assert deploy("s", {"Resources": {"Q": queue}})["StackStatus"] == "CREATE_COMPLETE"
    events = cfn.describe_stack_events(StackName="s")["StackEvents"]
    reason = next(e["ResourceStatusReason"] for e in events if e["ResourceStatus"] == "CREATE_COMPLETE" and e["LogicalResourceId"] == "Q")
    assert reason == "Without effect here: CreationPolicy, UpdatePolicy"
