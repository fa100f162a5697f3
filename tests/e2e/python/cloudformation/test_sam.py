"""The SAM transform through boto3: the example, functions behind APIs and queues, includes, errors."""

import io
import json
import subprocess
import time
import urllib.error
import urllib.request
import zipfile

import pytest

from conftest import ROOT, settled

SAM = "AWS::Serverless-2016-10-31"
INLINE = "exports.handler = async event => ({ statusCode: 200, body: JSON.stringify({ route: event.routeKey, id: event.pathParameters?.id, who: process.env.WHO }) })"


@pytest.fixture
def cfn(client):
    return client("cloudformation")


@pytest.fixture
def bucket(client, account):
    """Puts objects into a bucket of the test's account; answers their `s3://` names."""
    s3, name = client("s3"), f"code-{account}"
    s3.create_bucket(Bucket=name)

    def put(key, body):
        s3.put_object(Bucket=name, Key=key, Body=body)
        return f"s3://{name}/{key}"

    return put


def app():
    """The code of the example as an archive, as `sam package` makes one."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as z:
        for file in sorted((ROOT / "examples/orders/app").iterdir()):
            z.write(file, file.name)
    return archive.getvalue()


def serverless(resources, **sections):
    return {"Transform": SAM, "Resources": resources, **sections}


def function(**properties):
    return {"Type": "AWS::Serverless::Function", "Properties": {"Runtime": "nodejs20.x", "Handler": "index.handler", "InlineCode": INLINE, **properties}}


def outputs(stack):
    return {o["OutputKey"]: o["OutputValue"] for o in stack.get("Outputs", [])}


def get(url):
    try:
        with urllib.request.urlopen(url, timeout=30) as r:
            return r.status, json.load(r)
    except urllib.error.HTTPError as e:
        return e.code, json.load(e)


def test_the_example_works(cfn, deploy, bucket):
    text = (ROOT / "examples/orders/sam/template.yaml").read_text()
    stack = deploy("orders", text.replace("../app", bucket("app.zip", app())))
    assert stack["StackStatus"] == "CREATE_COMPLETE", stack
    url = outputs(stack)["Url"]
    seen = subprocess.run(["python3", str(ROOT / "examples/orders/check.py"), url], capture_output=True, text=True, timeout=60)
    assert seen.returncode == 0, seen.stderr
    assert outputs(stack)["Version"] == "1"
    kinds = {r["LogicalResourceId"]: r["ResourceType"] for r in cfn.list_stack_resources(StackName="orders")["StackResourceSummaries"]}
    version = [name for name in kinds if name.startswith("ApiFunctionVersion")]
    assert len(version) == 1 and len(version[0]) == len("ApiFunctionVersion") + 10
    assert kinds == {
        "Table": "AWS::DynamoDB::Table",
        "DeadLetters": "AWS::SQS::Queue",
        "Commands": "AWS::SQS::Queue",
        "ApiFunction": "AWS::Lambda::Function",
        "ApiFunctionRole": "AWS::IAM::Role",
        "ApiFunctionAliaslive": "AWS::Lambda::Alias",
        version[0]: "AWS::Lambda::Version",
        "ApiFunctionPlacePermission": "AWS::Lambda::Permission",
        "ApiFunctionLookPermission": "AWS::Lambda::Permission",
        "WorkerFunction": "AWS::Lambda::Function",
        "WorkerFunctionRole": "AWS::IAM::Role",
        "WorkerFunctionCommand": "AWS::Lambda::EventSourceMapping",
        "ServerlessHttpApi": "AWS::ApiGatewayV2::Api",
        "ServerlessHttpApiApiGatewayDefaultStage": "AWS::ApiGatewayV2::Stage",
    }
    # Both texts of the template can be had.
    answer = cfn.get_template(StackName="orders", TemplateStage="Original")
    assert answer["StagesAvailable"] == ["Original", "Processed"] and "AWS::Serverless::SimpleTable" in answer["TemplateBody"]
    processed = cfn.get_template(StackName="orders", TemplateStage="Processed")["TemplateBody"]
    assert processed["Resources"]["Table"]["Type"] == "AWS::DynamoDB::Table" and "Transform" not in processed
    assert cfn.get_template_summary(StackName="orders")["DeclaredTransforms"] == [SAM]
    cfn.delete_stack(StackName="orders")
    assert settled(cfn, stack["StackId"])["StackStatus"] == "DELETE_COMPLETE"


def test_an_update_changes_routes_and_goes_on_with_the_previous_template(cfn, deploy, account):
    def template(path, who):
        return serverless(
            {"F": function(Environment={"Variables": {"WHO": {"Ref": "Who"}}}, Events={"A": {"Type": "HttpApi", "Properties": {"Path": path, "Method": "any"}}})},
            Parameters={"Who": {"Type": "String", "Default": who}},
            Outputs={"Url": {"Value": {"Fn::GetAtt": ["ServerlessHttpApi", "ApiEndpoint"]}}},
        )

    url = outputs(deploy("s", template("/a/{id}", "first")))["Url"]
    assert get(f"{url}/a/7") == (200, {"route": "ANY /a/{id}", "id": "7", "who": "first"})
    stack = deploy("s", template("/b/{id}", "second"), kind="UPDATE")
    assert stack["StackStatus"] == "UPDATE_COMPLETE", stack
    assert outputs(stack)["Url"] == url
    assert get(f"{url}/a/7")[0] == 404
    # The parameter keeps its value of before; the previous template is the one with the transform.
    assert get(f"{url}/b/8") == (200, {"route": "ANY /b/{id}", "id": "8", "who": "second"})
    cfn.update_stack(StackName="s", UsePreviousTemplate=True, Parameters=[{"ParameterKey": "Who", "ParameterValue": "third"}], Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"])
    assert settled(cfn, stack["StackId"])["StackStatus"] == "UPDATE_COMPLETE"
    assert get(f"{url}/b/8")[1]["who"] == "third"


def test_errors_are_those_of_the_transform(cfn, error):
    wrong = serverless(
        {
            "A": {"Type": "AWS::Serverless::Function", "Properties": {"Runtime": "nodejs20.x"}},
            "B": function(Events={"E": {"Type": "S3", "Properties": {"Bucket": "elsewhere", "Events": "s3:ObjectCreated:*"}}}),
        }
    )
    change_set = cfn.create_change_set(StackName="s", ChangeSetName="c", ChangeSetType="CREATE", TemplateBody=json.dumps(wrong))
    seen = cfn.describe_change_set(ChangeSetName=change_set["Id"])
    assert (seen["Status"], seen["ExecutionStatus"]) == ("FAILED", "UNAVAILABLE")
    assert seen["StatusReason"] == (
        f"Transform {SAM} failed with: Invalid Serverless Application Specification document. Number of errors found: 2. "
        "Resource with id [A] is invalid. Either 'InlineCode' or 'CodeUri' must be set. "
        "Resource with id [B] is invalid. Event with id [E] is invalid. S3 events must reference an S3 bucket in the same template."
    )
    right = json.dumps(serverless({"A": function()}))
    capabilities = error(cfn.create_stack, StackName="t", TemplateBody=right, Capabilities=["CAPABILITY_IAM"])
    assert capabilities == ("InsufficientCapabilitiesException", "Requires capabilities : [CAPABILITY_AUTO_EXPAND]")
    stack = cfn.create_stack(StackName="t", TemplateBody=right, Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"])
    assert settled(cfn, stack["StackId"])["StackStatus"] == "CREATE_COMPLETE"
    valid = cfn.validate_template(TemplateBody=right)
    assert valid["DeclaredTransforms"] == [SAM] and "CAPABILITY_AUTO_EXPAND" in valid["Capabilities"]
    macro = json.dumps({"Transform": "Mine", "Resources": {"Q": {"Type": "AWS::SQS::Queue"}}})
    change_set = cfn.create_change_set(StackName="u", ChangeSetName="c", ChangeSetType="CREATE", TemplateBody=macro)
    assert "::Mine found." in cfn.describe_change_set(ChangeSetName=change_set["Id"])["StatusReason"]


def test_an_api_of_ones_own_document_that_is_included(deploy, bucket):
    body = """
openapi: 3.0.1
info: { title: included, version: "1" }
paths:
  /things/{id}:
    get:
      x-amazon-apigateway-integration:
        type: aws_proxy
        httpMethod: POST
        payloadFormatVersion: "2.0"
        uri: !Sub arn:aws:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${F.Arn}/invocations
"""
    template = serverless(
        {
            "F": function(Events={"E": {"Type": "HttpApi", "Properties": {"ApiId": {"Ref": "Api"}, "Path": "/more", "Method": "get"}}}),
            "Api": {
                "Type": "AWS::Serverless::HttpApi",
                "Properties": {
                    "StageName": "v1",
                    "CorsConfiguration": {"AllowOrigins": ["https://a.example"]},
                    "DefinitionBody": {"Fn::Transform": {"Name": "AWS::Include", "Parameters": {"Location": bucket("api.yaml", body)}}},
                },
            },
        },
        Outputs={"Url": {"Value": {"Fn::Sub": "${Api.ApiEndpoint}/${Api.Stage}"}}},
    )
    stack = deploy("s", template)
    assert stack["StackStatus"] == "CREATE_COMPLETE", stack
    url = outputs(stack)["Url"]
    assert get(f"{url}/things/3")[1]["id"] == "3"
    assert get(f"{url}/more")[1]["route"] == "GET /more"
    request = urllib.request.Request(f"{url}/more", headers={"origin": "https://a.example"})
    with urllib.request.urlopen(request, timeout=30) as r:
        assert r.headers["access-control-allow-origin"] == "https://a.example"


def test_a_queue_invokes_and_a_destination_receives(client, deploy):
    code = "exports.handler = async event => ({ bodies: event.Records?.map(r => r.body), event })"
    stack = deploy(
        "s",
        serverless(
            {
                "Q": {"Type": "AWS::SQS::Queue"},
                "F": function(
                    InlineCode=code,
                    Events={"E": {"Type": "SQS", "Properties": {"Queue": {"Fn::GetAtt": ["Q", "Arn"]}}}},
                    EventInvokeConfig={"DestinationConfig": {"OnSuccess": {"Type": "SQS"}}},
                ),
            },
            Outputs={"Q": {"Value": {"Ref": "Q"}}, "F": {"Value": {"Ref": "F"}}, "Results": {"Value": {"Ref": "F.DestinationQueue"}}},
        ),
    )
    assert stack["StackStatus"] == "CREATE_COMPLETE", stack
    out = outputs(stack)
    sqs = client("sqs")
    client("lambda").invoke(FunctionName=out["F"], InvocationType="Event", Payload=b'{"a": 1}')
    message = sqs.receive_message(QueueUrl=out["Results"], WaitTimeSeconds=20)["Messages"][0]
    assert json.loads(message["Body"])["responsePayload"]["event"] == {"a": 1}
    sqs.send_message(QueueUrl=out["Q"], MessageBody="hello")
    deadline = time.monotonic() + 30
    while True:
        counts = sqs.get_queue_attributes(QueueUrl=out["Q"], AttributeNames=["All"])["Attributes"]
        if counts["ApproximateNumberOfMessages"] == counts["ApproximateNumberOfMessagesNotVisible"] == "0":
            break
        assert time.monotonic() < deadline, counts
        time.sleep(0.05)


def test_language_extensions(client, deploy, account):
    template = {
        "Transform": "AWS::LanguageExtensions",
        "Parameters": {"Names": {"Type": "CommaDelimitedList", "Default": "a,b"}},
        "Resources": {
            "Fn::ForEach::Queues": ["Name", {"Ref": "Names"}, {"Queue${Name}": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": {"Fn::Sub": "${Name}-q"}}}}],
        },
        "Outputs": {"Count": {"Value": {"Fn::Length": {"Ref": "Names"}}}},
    }
    stack = deploy("s", template)
    assert stack["StackStatus"] == "CREATE_COMPLETE", stack
    assert outputs(stack)["Count"] == "2"
    assert sorted(url.rsplit("/", 1)[1] for url in client("sqs").list_queues()["QueueUrls"]) == ["a-q", "b-q"]
