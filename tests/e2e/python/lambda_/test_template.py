"""Lambda in templates: every resource type, inline code, a custom resource that answers by itself."""

import json

CUSTOM = """
const response = require('cfn-response');
exports.handler = (event, context) => {
  const data = { Doubled: String(2 * Number(event.ResourceProperties.N)) };
  return response.send(event, context, response.SUCCESS, data, 'custom-1');
};
"""

WORK = """
import json
def handler(event, context):
    for record in event['Records']:
        print('WORKED ON ' + record['body'])
"""


def template(batch):
    role = {
        "Type": "AWS::IAM::Role",
        "Properties": {
            "AssumeRolePolicyDocument": {
                "Version": "2012-10-17",
                "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
            },
        },
    }
    function = {"Role": {"Fn::GetAtt": ["Role", "Arn"]}, "Handler": "index.handler", "Timeout": 10}
    return {
        "Resources": {
            "Role": role,
            "Queue": {"Type": "AWS::SQS::Queue"},
            "Work": {
                "Type": "AWS::Lambda::Function",
                "Properties": {**function, "Runtime": "python3.12", "Code": {"ZipFile": WORK}, "MemorySize": 256},
            },
            "Version": {"Type": "AWS::Lambda::Version", "Properties": {"FunctionName": {"Ref": "Work"}}},
            "Alias": {
                "Type": "AWS::Lambda::Alias",
                "Properties": {"FunctionName": {"Ref": "Work"}, "Name": "live", "FunctionVersion": {"Fn::GetAtt": ["Version", "Version"]}},
            },
            "Permission": {
                "Type": "AWS::Lambda::Permission",
                "Properties": {"FunctionName": {"Ref": "Alias"}, "Action": "lambda:InvokeFunction", "Principal": "events.amazonaws.com"},
            },
            "Events": {
                "Type": "AWS::Lambda::EventInvokeConfig",
                "Properties": {"FunctionName": {"Ref": "Work"}, "Qualifier": "$LATEST", "MaximumRetryAttempts": 0},
            },
            "Mapping": {
                "Type": "AWS::Lambda::EventSourceMapping",
                "Properties": {"FunctionName": {"Ref": "Alias"}, "EventSourceArn": {"Fn::GetAtt": ["Queue", "Arn"]}, "BatchSize": batch},
            },
            "Maker": {
                "Type": "AWS::Lambda::Function",
                "Properties": {**function, "Runtime": "nodejs20.x", "Code": {"ZipFile": CUSTOM}},
            },
            "Made": {"Type": "Custom::Doubled", "Properties": {"ServiceToken": {"Fn::GetAtt": ["Maker", "Arn"]}, "N": "21"}},
        },
        "Outputs": {
            "Name": {"Value": {"Ref": "Work"}},
            "Queue": {"Value": {"Ref": "Queue"}},
            "Mapping": {"Value": {"Ref": "Mapping"}},
            "Doubled": {"Value": {"Fn::GetAtt": ["Made", "Doubled"]}},
        },
    }


def test_a_template_makes_changes_and_deletes_all_of_it(client, deploy, error, logged):
    fn, sqs, cloudformation = (client(s) for s in ("lambda", "sqs", "cloudformation"))
    stack = deploy("work", template(5))
    assert stack["StackStatus"] == "CREATE_COMPLETE", stack
    outputs = {o["OutputKey"]: o["OutputValue"] for o in stack["Outputs"]}
    assert outputs["Doubled"] == "42"
    name = outputs["Name"]
    assert name.startswith("work-Work-")
    assert fn.get_function_configuration(FunctionName=f"{name}:live")["Version"] == "1"
    assert "events.amazonaws.com" in fn.get_policy(FunctionName=name, Qualifier="live")["Policy"]
    assert fn.get_event_source_mapping(UUID=outputs["Mapping"])["BatchSize"] == 5
    assert fn.get_function(FunctionName=name)["Tags"]["aws:cloudformation:stack-name"] == "work"
    sqs.send_message(QueueUrl=outputs["Queue"], MessageBody="a letter")
    logged(name, lambda lines: any("WORKED ON a letter" in line for line in lines))
    stack = deploy("work", template(7), kind="UPDATE")
    assert stack["StackStatus"] == "UPDATE_COMPLETE", stack
    assert fn.get_event_source_mapping(UUID=outputs["Mapping"])["BatchSize"] == 7
    cloudformation.delete_stack(StackName="work")
    cloudformation.get_waiter("stack_delete_complete").wait(StackName="work", WaiterConfig={"Delay": 1})
    assert fn.list_functions()["Functions"] == []
    assert fn.list_event_source_mappings()["EventSourceMappings"] == []


def test_what_is_not_here_fails_the_stack_by_name(client, deploy):
    broken = template(5)
    broken["Resources"]["Work"]["Properties"]["Layers"] = ["arn:aws:lambda:us-east-1:123456789012:layer:l:1"]
    stack = deploy("work", broken)
    assert stack["StackStatus"] in ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED"), stack
    events = client("cloudformation").describe_stack_events(StackName=stack["StackId"])["StackEvents"]
    assert any("does not exist" in e.get("ResourceStatusReason", "") for e in events)
    assert client("lambda").list_functions()["Functions"] == []
