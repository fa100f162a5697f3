"""Streamed answers and function URLs: pieces as they are written, the event, CORS, who may call."""

import base64
import http.client
import io
import json
import ssl
import time
import urllib.parse
import zipfile

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

ROLE = "arn:aws:iam::{}:role/worker"
SLOW = """
exports.handler = awslambda.streamifyResponse(async (event, stream) => {
  const metadata = { statusCode: 201, headers: { 'content-type': 'text/plain', 'x-own': 'yes' }, cookies: ['a=b'] };
  if (event.requestContext) stream = awslambda.HttpResponseStream.from(stream, metadata);
  stream.write('first');
  await new Promise((done) => setTimeout(done, 1500));
  if (event.fail) throw new Error('midway');
  stream.write('second');
  stream.end();
});
"""
ECHO = """
exports.handler = async (event) => {
  if (event.rawPath === '/fail') throw new Error('no');
  if (event.rawPath === '/plain') return { plain: true };
  return { statusCode: 200, headers: { 'content-type': 'application/json', 'access-control-allow-origin': 'mine' },
           cookies: ['c=d'], body: JSON.stringify(event) };
};
"""


@pytest.fixture
def fn(client):
    return client("lambda")


def archive(source):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as z:
        entry = zipfile.ZipInfo("index.js")
        entry.external_attr = 0o644 << 16
        z.writestr(entry, source)
    return out.getvalue()


def make(fn, account, source, **more):
    return fn.create_function(
        FunctionName="f", Runtime="nodejs20.x", Handler="index.handler", Timeout=10,
        Role=ROLE.format(account), Code={"ZipFile": archive(source)}, **more)


def request(url, path="", method="GET", body=None, headers=None):
    """A connection of its own, and the answer whose body has not been read yet."""
    at = urllib.parse.urlsplit(url)
    if at.scheme == "https":
        unchecked = ssl._create_unverified_context()
        connection = http.client.HTTPSConnection(at.hostname, at.port, timeout=20, context=unchecked)
    else:
        connection = http.client.HTTPConnection(at.hostname, at.port, timeout=20)
    connection.request(method, at.path.rstrip("/") + (path or "/"), body=body, headers=headers or {})
    return connection.getresponse()


def call(*args, **more):
    answer = request(*args, **more)
    return answer.status, dict((k.lower(), v) for k, v in answer.getheaders()), answer.read()


def test_pieces_arrive_as_they_are_written(fn, account):
    make(fn, account, SLOW)
    fn.invoke(FunctionName="f", Payload=b"{}")  # no cold start in what is measured
    answer = fn.invoke_with_response_stream(FunctionName="f", Payload=b"{}", LogType="Tail")
    assert answer["StatusCode"] == 200 and answer["ExecutedVersion"] == "$LATEST"
    assert answer["ResponseStreamContentType"] == "application/vnd.amazon.eventstream"
    begun, seen = time.monotonic(), []
    for event in answer["EventStream"]:
        seen.append((event, time.monotonic() - begun))
    pieces = [(e["PayloadChunk"]["Payload"], at) for e, at in seen if "PayloadChunk" in e]
    assert b"".join(piece for piece, _ in pieces) == b"firstsecond"
    assert pieces[0][0] == b"first" and pieces[0][1] < 1 < pieces[-1][1]
    complete = seen[-1][0]["InvokeComplete"]
    assert "ErrorCode" not in complete
    assert b"REPORT RequestId" in base64.b64decode(complete["LogResult"])


def test_errors_end_the_stream(fn, account, error):
    make(fn, account, SLOW)
    events = list(fn.invoke_with_response_stream(FunctionName="f", Payload=b'{"fail": true}')["EventStream"])
    assert events[0]["PayloadChunk"]["Payload"] == b"first"
    assert events[-1]["InvokeComplete"]["ErrorCode"]
    assert "midway" in events[-1]["InvokeComplete"]["ErrorDetails"]
    assert error(fn.invoke_with_response_stream, FunctionName="nope")[0] == "ResourceNotFoundException"
    assert fn.invoke_with_response_stream(FunctionName="f", InvocationType="DryRun")["StatusCode"] == 204


def test_a_url_streams_its_answer(fn, account):
    make(fn, account, SLOW)
    url = fn.create_function_url_config(FunctionName="f", AuthType="NONE", InvokeMode="RESPONSE_STREAM")["FunctionUrl"]
    call(url)
    begun = time.monotonic()
    answer = request(url)
    assert answer.status == 201 and answer.getheader("x-own") == "yes" and answer.getheader("set-cookie") == "a=b"
    assert answer.read1(100) == b"first"
    assert time.monotonic() - begun < 1
    assert answer.read() == b"second"
    assert time.monotonic() - begun > 1
    fn.update_function_url_config(FunctionName="f", InvokeMode="BUFFERED")
    status, headers, body = call(url)
    assert (status, headers["x-own"], body) == (201, "yes", b"firstsecond")


def test_the_function_sees_the_request(fn, account):
    make(fn, account, ECHO)
    url = fn.create_function_url_config(FunctionName="f", AuthType="NONE")["FunctionUrl"]
    status, headers, body = call(
        url, "/a%20b?x=1&x=2&y=%C3%BC", method="POST", body=b"hi",
        headers={"content-type": "text/plain", "cookie": "k=v; l=w", "x-own": "1"})
    event = json.loads(body)
    assert status == 200 and headers["set-cookie"] == "c=d"
    assert event["version"] == "2.0" and event["routeKey"] == "$default"
    assert (event["rawPath"], event["rawQueryString"]) == ("/a b", "x=1&x=2&y=%C3%BC")
    assert event["queryStringParameters"] == {"x": "1,2", "y": "ü"}
    assert event["cookies"] == ["k=v", "l=w"] and "cookie" not in event["headers"]
    assert (event["body"], event["isBase64Encoded"]) == ("hi", False)
    context = event["requestContext"]
    assert context["http"]["method"] == "POST" and context["accountId"] == "anonymous"
    assert context["domainName"] == f"{context['apiId']}.lambda-url.us-east-1.on.aws"
    _, _, body = call(url, method="POST", body=b"\xff\x00", headers={"content-type": "application/octet-stream"})
    assert json.loads(body)["isBase64Encoded"] is True
    assert call(url, "/plain")[2] == b'{"plain":true}'
    assert call(url, "/fail")[0] == 502
    # By its host, wherever that leads.
    at = urllib.parse.urlsplit(url)
    host = {"host": context["domainName"]}
    assert json.loads(call(f"http://{at.netloc}", "/by/host", headers=host)[2])["rawPath"] == "/by/host"


def test_urls_are_configured(fn, account, error):
    make(fn, account, ECHO, Publish=True)
    fn.create_alias(FunctionName="f", Name="live", FunctionVersion="1")
    made = fn.create_function_url_config(FunctionName="f", AuthType="NONE")
    assert made["InvokeMode"] == "BUFFERED" and made["FunctionArn"].endswith(":function:f")
    assert error(fn.create_function_url_config, FunctionName="f", AuthType="NONE")[0] == "ResourceConflictException"
    assert error(fn.get_function_url_config, FunctionName="f", Qualifier="live")[0] == "ResourceNotFoundException"
    live = fn.create_function_url_config(FunctionName="f", Qualifier="live", AuthType="AWS_IAM")
    assert live["FunctionArn"].endswith(":function:f:live") and live["FunctionUrl"] != made["FunctionUrl"]
    assert len(fn.list_function_url_configs(FunctionName="f")["FunctionUrlConfigs"]) == 2
    changed = fn.update_function_url_config(FunctionName="f", Cors={"AllowOrigins": ["https://a.example"]})
    assert changed["Cors"] == {"AllowOrigins": ["https://a.example"]} and changed["FunctionUrl"] == made["FunctionUrl"]
    fn.delete_function_url_config(FunctionName="f")
    assert call(made["FunctionUrl"])[0] == 403
    fn.delete_function(FunctionName="f")
    assert call(live["FunctionUrl"])[0] == 403


def test_cors_is_the_configurations(fn, account):
    make(fn, account, ECHO)
    cors = {
        "AllowOrigins": ["https://*.example"], "AllowMethods": ["GET"], "AllowHeaders": ["x-a"],
        "ExposeHeaders": ["x-b"], "MaxAge": 60, "AllowCredentials": True}
    url = fn.create_function_url_config(FunctionName="f", AuthType="NONE", Cors=cors)["FunctionUrl"]
    ask = {"origin": "https://a.example", "access-control-request-method": "GET"}
    status, headers, _ = call(url, method="OPTIONS", headers=ask)
    assert status == 200 and headers["access-control-allow-origin"] == "https://a.example"
    assert (headers["access-control-allow-methods"], headers["access-control-max-age"]) == ("GET", "60")
    _, headers, _ = call(url, headers={"origin": "https://a.example"})
    assert headers["access-control-allow-origin"] == "https://a.example", "not the function's"
    assert headers["access-control-expose-headers"] == "x-b"
    _, headers, _ = call(url, headers={"origin": "https://b.test"})
    assert "access-control-allow-origin" not in headers


def signed(url, key, secret, path="/"):
    at = urllib.parse.urlsplit(url)
    full = f"{at.scheme}://{at.netloc}{at.path.rstrip('/')}{path}"
    aws = AWSRequest("GET", full, headers={"host": at.netloc})
    SigV4Auth(Credentials(key, secret), "lambda", "us-east-1").add_auth(aws)
    return call(url, path, headers=dict(aws.headers))


def test_a_signature_is_asked_for(fn, account):
    make(fn, account, ECHO)
    url = fn.create_function_url_config(FunctionName="f", AuthType="AWS_IAM")["FunctionUrl"]
    status, _, body = call(url)
    assert status == 403 and b"Forbidden" in body
    status, _, body = signed(url, account, "whatever")
    iam = json.loads(body)["requestContext"]["authorizer"]["iam"]
    assert status == 200 and iam["accountId"] == account and iam["accessKey"] == account


def test_a_template_makes_urls(fn, client, account):
    template = {
        "Resources": {
            "Function": {
                "Type": "AWS::Lambda::Function",
                "Properties": {
                    "FunctionName": "f", "Runtime": "nodejs20.x", "Handler": "index.handler", "Timeout": 10,
                    "Role": ROLE.format(account), "Code": {"ZipFile": ECHO}}},
            "Url": {
                "Type": "AWS::Lambda::Url",
                "Properties": {
                    "AuthType": "NONE", "TargetFunctionArn": {"Fn::GetAtt": ["Function", "Arn"]},
                    "Cors": {"AllowOrigins": ["*"], "MaxAge": "5"}}},
            "Everybody": {
                "Type": "AWS::Lambda::Permission",
                "Properties": {
                    "Action": "lambda:InvokeFunctionUrl", "FunctionName": {"Ref": "Function"}, "Principal": "*",
                    "FunctionUrlAuthType": "NONE"}},
        },
        "Outputs": {"Url": {"Value": {"Fn::GetAtt": ["Url", "FunctionUrl"]}}},
    }
    cloudformation = client("cloudformation")
    cloudformation.create_stack(StackName="s", TemplateBody=json.dumps(template))
    cloudformation.get_waiter("stack_create_complete").wait(StackName="s", WaiterConfig={"Delay": 1, "MaxAttempts": 30})
    (output,) = cloudformation.describe_stacks(StackName="s")["Stacks"][0]["Outputs"]
    assert call(output["OutputValue"])[0] == 200
    cloudformation.delete_stack(StackName="s")
    cloudformation.get_waiter("stack_delete_complete").wait(StackName="s", WaiterConfig={"Delay": 1, "MaxAttempts": 30})


def test_secure_clouds_verify_and_decide(secure_cloud):
    fn, iam, account = secure_cloud.client("lambda"), secure_cloud.client("iam"), "000000000000"
    trust = {"Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
    iam.create_role(RoleName="worker", AssumeRolePolicyDocument=json.dumps(trust))
    make(fn, account, ECHO)
    url = fn.create_function_url_config(FunctionName="f", AuthType="NONE")["FunctionUrl"]
    assert call(url)[0] == 403
    fn.add_permission(
        FunctionName="f", StatementId="all", Action="lambda:InvokeFunctionUrl", Principal="*", FunctionUrlAuthType="NONE")
    assert call(url)[0] == 200
    fn.update_function_url_config(FunctionName="f", AuthType="AWS_IAM")
    iam.create_user(UserName="u")
    key = iam.create_access_key(UserName="u")["AccessKey"]
    pair = key["AccessKeyId"], key["SecretAccessKey"]
    assert call(url)[0] == 403
    assert signed(url, *pair)[0] == 403, "nothing lets the user"
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "lambda:InvokeFunctionUrl", "Resource": "*"}]}
    iam.put_user_policy(UserName="u", PolicyName="p", PolicyDocument=json.dumps(policy))
    assert signed(url, *pair)[0] == 200
    assert signed(url, pair[0], "wrong")[0] == 403
