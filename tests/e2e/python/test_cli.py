"""The command line, LocalStack's habits, and what a start and a reset do."""

import json
import subprocess
import urllib.request

import pytest
from conftest import BINARY, ROOT


def run(cloud, *args, check=True):
    command = [str(BINARY), *args]
    if args[0] != "up":
        command += ["--endpoint", cloud.url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert not check or done.returncode == 0, done.stderr
    return done


@pytest.fixture
def own(new_cloud):
    return new_cloud().start()


def test_the_example_is_deployed_called_and_shown(own):
    done = run(own, "deploy", str(ROOT / "examples/orders/template.yaml"), "--stack", "orders")
    url = next(line for line in done.stdout.splitlines() if line.startswith("Url = ")).removeprefix("Url = ")
    seen = subprocess.run(["python3", str(ROOT / "examples/orders/check.py"), url], capture_output=True, text=True, timeout=60)
    assert seen.returncode == 0, seen.stderr
    assert json.loads(seen.stdout)["status"] == "SHIPPED"
    listed = json.loads(run(own, "ls", "--json").stdout)
    kinds = {row["type"] for row in listed}
    assert {"AWS::DynamoDB::Table", "AWS::Lambda::Function", "AWS::SQS::Queue", "AWS::ApiGatewayV2::Api", "AWS::IAM::Role"} <= kinds
    worker = next(row["name"] for row in listed if row["type"] == "AWS::Lambda::Function" and "Worker" in row["name"])
    assert "shipped" in run(own, "logs", worker).stdout
    again = run(own, "deploy", str(ROOT / "examples/orders/template.yaml"), "--stack", "orders")
    assert "no changes" in again.stderr
    # Nothing of it is lost by a crash.
    own.kill()
    own.start()
    seen = subprocess.run(["python3", str(ROOT / "examples/orders/check.py"), url], capture_output=True, text=True, timeout=60)
    assert seen.returncode == 0, seen.stderr


def test_a_serverless_template_is_deployed_with_its_code(own, tmp_path):
    template = str(ROOT / "examples/orders/sam/template.yaml")
    done = run(own, "deploy", template, "--stack", "orders")
    url = next(line for line in done.stdout.splitlines() if line.startswith("Url = ")).removeprefix("Url = ")
    seen = subprocess.run(["python3", str(ROOT / "examples/orders/check.py"), url], capture_output=True, text=True, timeout=60)
    assert seen.returncode == 0, seen.stderr
    assert "no changes" in run(own, "deploy", template, "--stack", "orders").stderr
    # Why a transform fails is told.
    broken = tmp_path / "broken.yaml"
    broken.write_text("Transform: AWS::Serverless-2016-10-31\nResources: {F: {Type: AWS::Serverless::Function}}\n")
    failed = run(own, "deploy", str(broken), check=False)
    assert failed.returncode != 0 and "Either 'InlineCode' or 'CodeUri' must be set." in failed.stderr


def test_a_function_is_invoked(own):
    from apigateway.test_http_api import archive

    own.client("lambda").create_function(
        FunctionName="f", Runtime="nodejs20.x", Role="arn:aws:iam::000000000000:role/r", Handler="index.handler",
        Code={"ZipFile": archive("exports.handler = async (e) => { if (e.bad) throw new Error('no'); return e.a + 1; }")},
    )
    done = run(own, "invoke", "f", '{"a": 41}')
    assert done.stdout.strip() == "42" and "REPORT RequestId" in done.stderr
    failed = run(own, "invoke", "f", '{"bad": true}', check=False)
    assert failed.returncode == 1 and "errorMessage" in failed.stdout
    assert "not JSON" in run(own, "invoke", "f", "{", check=False).stderr


def test_status_and_errors(own):
    status = json.loads(run(own, "status", "--json").stdout)
    assert status["status"] == "ok" and "sqs" in status["services"] and status["durability"] == "fsync"
    nobody = subprocess.run([str(BINARY), "status", "--endpoint", "http://127.0.0.1:1"], capture_output=True, text=True, timeout=20)
    assert nobody.returncode == 1 and "undercast up" in nobody.stderr


def test_a_failed_deployment_explains_itself(own, tmp_path):
    path = tmp_path / "bad.json"
    path.write_text(json.dumps({"Resources": {"Q": {"Type": "AWS::SQS::Queue", "Properties": {"DelaySeconds": 9999}}}}))
    done = run(own, "deploy", str(path), check=False)
    assert done.returncode == 1 and "CREATE_FAILED AWS::SQS::Queue Q" in done.stderr and "DelaySeconds" in done.stderr


def test_templates_within_templates_are_uploaded_with_what_they_name(own, tmp_path):
    (tmp_path / "app").mkdir()
    (tmp_path / "app/index.js").write_text("exports.handler = async () => 'from a child';")
    function = {"Type": "AWS::Serverless::Function", "Properties": {"Runtime": "nodejs20.x", "Handler": "index.handler", "CodeUri": "../app"}}
    child = {"Transform": "AWS::Serverless-2016-10-31", "Resources": {"F": function}, "Outputs": {"Name": {"Value": {"Ref": "F"}}}}
    (tmp_path / "within").mkdir()
    (tmp_path / "within/child.json").write_text(json.dumps(child))
    nested = {"Type": "AWS::CloudFormation::Stack", "Properties": {"TemplateURL": "within/child.json"}}
    vpc = {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.0.0.0/16"}}
    (tmp_path / "parent.json").write_text(json.dumps({"Resources": {"Child": nested, "Vpc": vpc}, "Outputs": {"Name": {"Value": {"Fn::GetAtt": ["Child", "Outputs.Name"]}}}}))
    done = run(own, "deploy", str(tmp_path / "parent.json"), "--stack", "family")
    name = next(line.removeprefix("Name = ") for line in done.stdout.splitlines() if line.startswith("Name = "))
    answer = own.client("lambda").invoke(FunctionName=name)
    assert json.load(answer["Payload"]) == "from a child"
    listed = run(own, "ls").stdout
    assert "AWS::EC2::VPC" in listed and "inert" in listed
    (tmp_path / "self.json").write_text(json.dumps({"Resources": {"S": {"Type": "AWS::CloudFormation::Stack", "Properties": {"TemplateURL": "self.json"}}}}))
    done = run(own, "deploy", str(tmp_path / "self.json"), check=False)
    assert done.returncode != 0 and "nested more than" in done.stderr


def test_reset_and_localstack_habits(own):
    own.client("sqs").create_queue(QueueName="q")
    assert "say --yes" in run(own, "reset", check=False).stderr
    run(own, "reset", "--yes")
    assert "QueueUrls" not in own.client("sqs").list_queues()
    health = json.load(urllib.request.urlopen(f"{own.url}/_localstack/health"))
    assert health["services"]["sqs"] == "running"
    own.client("sqs").create_queue(QueueName="q")
    urllib.request.urlopen(urllib.request.Request(f"{own.url}/_localstack/state/reset", method="POST"))
    assert "QueueUrls" not in own.client("sqs").list_queues()
    # The reset cloud works on.
    own.client("sqs").create_queue(QueueName="q")
    page = urllib.request.Request(f"{own.url}/_localstack/state/reset", method="POST", headers={"Origin": "https://evil.test"})
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(page)
    assert refused.value.code == 403


def test_urls_are_handed_out_under_the_host_that_the_client_used(own):
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", own.port)
    headers = {
        "Host": "sqs.us-east-1.localhost.localstack.cloud:4566",
        "X-Amz-Target": "AmazonSQS.CreateQueue",
        "Content-Type": "application/x-amz-json-1.0",
        "Authorization": "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/sqs/aws4_request, SignedHeaders=host, Signature=0",
    }
    connection.request("POST", "/", json.dumps({"QueueName": "q"}), headers)
    answer = json.loads(connection.getresponse().read())
    assert answer["QueueUrl"] == "http://sqs.us-east-1.localhost.localstack.cloud:4566/000000000000/q"
