"""Bombs, traversal and oversized input: each gets AWS's error, at once, and changes nothing."""

import base64
import http.client
import io
import json
import socket
import time
import zipfile

import pytest
from botocore.exceptions import ClientError

ROLE = "arn:aws:iam::000000000000:role/r"
AUTH = "AWS4-HMAC-SHA256 Credential={}/20260101/us-east-1/{}/aws4_request, SignedHeaders=host, Signature=0"
UNZIP = "Could not unzip uploaded file. Please check your file, then try to upload again."


@pytest.fixture(autouse=True)
def quick():
    """What is refused is refused before it costs anything."""
    start = time.monotonic()
    yield
    assert time.monotonic() - start < 20


@pytest.fixture
def raw(cloud, account):
    """A request as it is given; status and body of its answer. The cloud is well afterwards."""
    host = cloud.url.split("//")[1]

    def call(service, method, path, body=b"", **headers):
        connection = http.client.HTTPConnection(host, timeout=20)
        headers = {"Authorization": AUTH.format(account, service), **{k.replace("_", "-"): v for k, v in headers.items()}}
        connection.request(method, path, body=body.encode() if isinstance(body, str) else body, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()

    yield call
    status = http.client.HTTPConnection(host, timeout=5)
    status.request("GET", "/_undercast/health")
    assert status.getresponse().status == 200


def archive(*entries):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as zip:
        for name, content, mode in entries:
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            zip.writestr(info, content)
    return out.getvalue()


FILE, LINK = 0o100644, 0o120777


def lying():
    """An archive whose directory says that a file is small, and whose data say that it is not."""
    bomb = bytearray(archive(("a", bytes(300 << 20), FILE)))
    size = (300 << 20).to_bytes(4, "little")
    return bytes(bomb).replace(size, (10).to_bytes(4, "little"))


ARCHIVES = {
    "bomb": (lambda: archive(("a", bytes(300 << 20), FILE)), "Unzipped size must be smaller than 262144000 bytes"),
    "many bombs": (lambda: archive(*((f"f{n}", bytes(30 << 20), FILE) for n in range(10))), "Unzipped size must be smaller than 262144000 bytes"),
    "lying bomb": (lying, ""),
    "parent": (lambda: archive(("../../../../tmp/undercast-escaped", "x", FILE)), "Could not unzip uploaded file"),
    "absolute": (lambda: archive(("/tmp/undercast-escaped", "x", FILE)), ""),
    "link to parent": (lambda: archive(("a", "../../..", LINK), ("a/tmp/undercast-escaped", "x", FILE)), "Could not unzip uploaded file"),
    "link to root": (lambda: archive(("a", "/etc", LINK)), "Could not unzip uploaded file"),
    "link by a known place": (lambda: archive(("a", "/tmp/../etc", LINK)), "Could not unzip uploaded file"),
    "link by a link": (lambda: archive(("d/e/f", "x", FILE), ("l", "d/e", LINK), ("m", "l/../../..", LINK)), "Could not unzip uploaded file"),
    "too many entries": (lambda: archive(*((f"f{n}", "", FILE) for n in range(100_001))), "Could not unzip uploaded file"),
    "too deep": (lambda: archive(("a/" * 400 + "b", "x", FILE)), "Could not unzip uploaded file"),
    "cut off": (lambda: archive(("a", "x" * 1000, FILE))[:-30], UNZIP),
    "no archive": (lambda: b"PK" + b"x" * 1000, UNZIP),
    "empty": (lambda: b"", ""),
}


@pytest.mark.parametrize("kind", ARCHIVES)
def test_hostile_archives_are_refused(client, kind):
    make, words = ARCHIVES[kind]
    lam = client("lambda")
    code = make()
    lam.create_function(FunctionName="good", Runtime="nodejs20.x", Role=ROLE, Handler="i.h", Code={"ZipFile": archive(("i.js", "exports.h = async () => 1", FILE))})
    for call in (
        lambda: lam.create_function(FunctionName="f", Runtime="nodejs20.x", Role=ROLE, Handler="i.h", Code={"ZipFile": code}),
        lambda: lam.update_function_code(FunctionName="good", ZipFile=code),
    ):
        try:
            call()
            assert kind == "absolute", "it was taken"
        except ClientError as refused:
            error = refused.response["Error"]
            assert error["Code"] == "InvalidParameterValueException" and words in error["Message"], error
    import os

    assert not os.path.exists("/tmp/undercast-escaped")
    if kind != "absolute":
        assert [f["FunctionName"] for f in lam.list_functions()["Functions"]] == ["good"]
        assert json.loads(lam.invoke(FunctionName="good")["Payload"].read()) == 1


def test_deep_and_broken_json_is_refused(raw, client):
    client("dynamodb").create_table(TableName="hostile", BillingMode="PAY_PER_REQUEST", AttributeDefinitions=[{"AttributeName": "a", "AttributeType": "S"}], KeySchema=[{"AttributeName": "a", "KeyType": "HASH"}])

    def put(body):
        return raw("dynamodb", "POST", "/", body, X_Amz_Target="DynamoDB_20120810.PutItem", Content_Type="application/x-amz-json-1.0")

    def nested(levels):
        return '{"M": {"a": ' * levels + '{"S": "x"}' + "}}" * levels

    item = '{"TableName": "hostile", "Item": {"a": {"S": "k"}, "b": %s}}'
    status, body = put(item % nested(31))
    assert status == 200, body
    client("dynamodb").delete_item(TableName="hostile", Key={"a": {"S": "k"}})
    status, body = put(item % nested(33))
    assert status == 400 and "ValidationException" in body and "Nesting Levels have exceeded supported limits" in body, body
    for deep in ['{"M": {"a": ' * 100_000, "[" * 1_000_000, '{"x": ' * 200_000, '{"TableName": "hostile", "unknown": ' + "[" * 500_000]:
        status, body = put(deep)
        assert status == 400 and ("SerializationException" in body or "ValidationException" in body), body[:300]
    assert client("dynamodb").scan(TableName="hostile")["Count"] == 0


def test_xml_bombs_are_refused(raw, client):
    s3 = client("s3")
    s3.create_bucket(Bucket="hostile-xml")
    s3.put_object(Bucket="hostile-xml", Key="a", Body=b"x")
    laughs = '<!DOCTYPE d [<!ENTITY a "a">' + "".join(f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(9)) + "]>"
    outside = '<!DOCTYPE d [<!ENTITY a SYSTEM "file:///etc/passwd">]>'
    for body in [
        laughs + "<Delete><Object><Key>&j;</Key></Object></Delete>",
        outside + "<Delete><Object><Key>&a;</Key></Object></Delete>",
        "<Delete>" * 100_000,
        "<Delete>" + "<Object><Key>a</Key></Object>" * 1001 + "</Delete>",
        "<Delete>" + "<x/>" * 300_000,
        "<Delete " + " ".join(f'a{n}="b"' for n in range(10_000)) + "/>",
    ]:
        status, answer = raw("s3", "POST", "/hostile-xml?delete", body)
        assert status == 400 and "<Code>MalformedXML</Code>" in answer, answer[:300]
    assert s3.list_objects_v2(Bucket="hostile-xml")["KeyCount"] == 1


@pytest.mark.parametrize(
    "body, words",
    [
        ("a: &a [x,x]\nb: &b [*a,*a]\nResources: [*b,*b]\n", "Template error: YAML aliases are not allowed in CloudFormation templates."),
        ("Resources: " + "[" * 40_000, "Template format error"),
        ("Resources:\n" + "".join(" " * n + "a:\n" for n in range(300)), "Template format error"),
        ('{"Resources": ' + '{"a": ' * 8_000, "Template format error"),
        (json.dumps({"Resources": {"A": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "x" * 60_000}}}}), "length less than or equal to 51200"),
        (json.dumps({"Resources": {f"Q{n}": {"Type": "AWS::SQS::Queue"} for n in range(501)}}), "Number of resources, 501, is greater than maximum allowed, 500"),
        (json.dumps({"Conditions": {f"C{n}": {"Condition": f"C{n}"} for n in range(900)}, "Resources": {"A": {"Type": "AWS::SQS::Queue"}}}), "Unresolved dependencies"),
    ],
    ids=["aliases", "yaml lists", "yaml maps", "json", "size", "resources", "conditions"],
)
def test_hostile_templates_are_refused(client, body, words):
    cloudformation = client("cloudformation")
    for call in (
        lambda: cloudformation.create_stack(StackName="s", TemplateBody=body),
        lambda: cloudformation.create_change_set(StackName="s", ChangeSetName="c", ChangeSetType="CREATE", TemplateBody=body),
    ):
        with pytest.raises(ClientError) as caught:
            call()
        error = caught.value.response["Error"]
        assert error["Code"] == "ValidationError" and words in error["Message"], error["Message"][:300]
    assert cloudformation.describe_stacks()["Stacks"] == []


def test_functions_that_make_too_much_fail_their_resource(client, deploy):
    """A billion laughs in Fn::Sub, and text that doubles: a few hundred characters."""
    sub, text = "x", '"'
    for _ in range(30):
        sub = {"Fn::Sub": ["${a}${a}${a}${a}", {"a": sub}]}
        text = {"Fn::ToJsonString": [text]}
    for n, value in enumerate([sub, text]):
        template = {"Resources": {"Q": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": value}}}}
        try:
            stack = deploy(f"s{n}", template)
            assert stack["StackStatus"] == "ROLLBACK_COMPLETE", stack
            events = client("cloudformation").describe_stack_events(StackName=stack["StackId"])["StackEvents"]
            assert any("make too much text" in e.get("ResourceStatusReason", "") for e in events), events
        except ClientError as refused:
            assert "make too much text" in refused.response["Error"]["Message"]
    assert client("sqs").list_queues().get("QueueUrls", []) == []


def test_huge_heads_are_refused(raw, cloud, account):
    host, port = cloud.url.split("//")[1].split(":")

    def send(head):
        with socket.create_connection((host, int(port)), timeout=20) as s:
            try:
                s.sendall(head)
                return s.recv(4096)
            except ConnectionError:
                return b""

    for head in [
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /?" + b"a=b&" * 50_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX-A: " + b"a" * 2_000_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n" + b"".join(b"X-%d: a\r\n" % n for n in range(1000)) + b"\r\n",
    ]:
        answer = send(head)
        assert answer == b"" or answer.split(b" ")[1] in (b"400", b"414", b"431"), answer[:100]
    status, body = raw("sqs", "GET", "/?" + "a=b&" * 10_000 + "Action=ListQueues&Version=2012-11-05")
    assert status in (200, 400), body


def test_too_many_and_too_deep_parameters_are_refused(raw, client):
    form = {"Content_Type": "application/x-www-form-urlencoded"}
    many = "&".join(f"Tags.member.{n}.Key=a&Tags.member.{n}.Value=b" for n in range(60_000))
    deep = "Tags" + ".member.1" * 10_000 + "=a"
    start = "Action=CreateRole&Version=2010-05-08&RoleName=hostile&AssumeRolePolicyDocument=%7B%7D&"
    for body in (start + many, start + "a&" * 200_000, start + deep, start + "Tags.member.99999999999.Key=a"):
        status, answer = raw("iam", "POST", "/", body, **form)
        assert status == 400 and "<Error>" in answer, answer[:300]
    assert client("iam").list_roles()["Roles"] == []


def test_oversized_input_is_refused(raw, client):
    sqs = client("sqs")
    queue = sqs.create_queue(QueueName="hostile")["QueueUrl"]
    json10 = {"Content_Type": "application/x-amz-json-1.0", "X_Amz_Target": "AmazonSQS.SendMessage"}
    status, body = raw("sqs", "POST", "/", json.dumps({"QueueUrl": queue, "MessageBody": "x" * (17 << 20)}), **json10)
    assert status == 413 and "smaller than" in body, body[:300]
    for call, code in [
        (lambda: sqs.send_message(QueueUrl=queue, MessageBody="x" * (1_048_577)), "InvalidParameterValue"),
        (lambda: sqs.send_message_batch(QueueUrl=queue, Entries=[{"Id": str(n), "MessageBody": "x"} for n in range(11)]), "TooManyEntriesInBatchRequest"),
    ]:
        with pytest.raises(ClientError) as caught:
            call()
        assert code in caught.value.response["Error"]["Code"], caught.value.response
    # A length that is not true: nothing comes of what did not come.
    attributes = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["ApproximateNumberOfMessages"])["Attributes"]
    assert attributes["ApproximateNumberOfMessages"] == "0"
    lam = client("lambda")
    with pytest.raises(ClientError) as caught:
        lam.create_function(FunctionName="f", Runtime="nodejs20.x", Role=ROLE, Handler="i.h", Code={"ZipFile": base64.b64encode(bytes(54 << 20))})
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 413, caught.value.response
    assert lam.list_functions()["Functions"] == []
