"""Writes the seed corpus: what the project's own tests and examples send, and what has once been found."""

import hashlib
import json
import re
import zipfile
from io import BytesIO
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent


def put(target, content):
    content = content if isinstance(content, bytes) else content.encode()
    if len(content) > 65536:
        return
    folder = HERE / "corpus" / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / hashlib.sha1(content).hexdigest()).write_bytes(content)


def strings(path):
    """The string literals of a Rust file."""
    text = path.read_text()
    yield from re.findall(r'r#"(.*?)"#', text, re.S)
    for literal in re.findall(r'"((?:[^"\\\n]|\\.)*)"', text):
        yield literal.replace('\\"', '"').replace("\\n", "\n").replace("\\\\", "\\")


def templates():
    for path in [*ROOT.glob("examples/**/*.yaml"), *ROOT.glob("tests/e2e/**/*.yaml")]:
        if "node_modules" not in path.parts:
            put("template", path.read_bytes())
    for path in (ROOT / "crates/cloudformation/src").glob("t[er]*/**/*.rs"):
        for text in strings(path):
            if "Resources" in text or ": " in text:
                put("template", text)
    function = {"Fn::Join": ["-", [{"Ref": "AWS::Region"}, {"Fn::Sub": ["${A}-${P}", {"A": {"Fn::Select": [0, {"Fn::Split": [",", "a,b"]}]}}]}]]}
    whole = {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Parameters": {"P": {"Type": "CommaDelimitedList", "Default": "a,b", "AllowedPattern": "[a-z,]+", "MinLength": 1}, "N": {"Type": "Number", "Default": 3, "MaxValue": 9}},
        "Mappings": {"M": {"a": {"b": ["c", "d"]}}},
        "Conditions": {"C": {"Fn::And": [{"Fn::Equals": [{"Ref": "N"}, "3"]}, {"Condition": "D"}]}, "D": {"Fn::Not": [{"Fn::Equals": ["a", "b"]}]}},
        "Resources": {
            "A": {"Type": "AWS::SQS::Queue", "Condition": "C", "DependsOn": ["BB"], "Properties": {"QueueName": function, "X": {"Fn::If": ["C", {"Ref": "AWS::NoValue"}, {"Fn::FindInMap": ["M", "a", "b"]}]}, "Y": {"Fn::Cidr": ["10.0.0.0/16", 4, 8]}, "Z": {"Fn::Base64": {"Fn::GetAtt": ["BB", "Arn"]}}}},
            "BB": {"Type": "AWS::SQS::Queue", "DeletionPolicy": "Retain"},
        },
        "Outputs": {"O": {"Value": {"Fn::ImportValue": "e"}, "Export": {"Name": {"Fn::Sub": "${AWS::StackName}-o"}}}},
    }
    put("template", json.dumps(whole))
    put("template", "Resources:\n  A: &a\n    Type: AWS::SQS::Queue\n    Properties: {QueueName: !Sub '${AWS::Region}-x', Y: !GetAtt B.Arn, Z: !Join ['-', [a, !Ref B]]}\n  B: *a\n")


def expressions():
    for path in (ROOT / "crates/dynamodb").rglob("*.rs"):
        for text in strings(path):
            if re.search(r"[#:]\w|\(|=|SET|REMOVE|ADD", text) and len(text) < 2000:
                put("expression", text)


def policies():
    for path in (ROOT / "crates/iam").rglob("*.rs"):
        for text in strings(path):
            if "Statement" in text:
                put("policy", text)
    tests = {"StringLike": {"aws:sourceip": ["10.*", "?"]}, "IpAddress": {"aws:SourceIp": "10.0.0.0/8"}, "NumericLessThan": {"a": 1}, "Bool": {"aws:SecureTransport": "true"}, "Null": {"x": True}, "DateGreaterThan": {"aws:CurrentTime": "2020-01-01T00:00:00Z"}, "ForAllValues:StringEqualsIfExists": {"k": ["v"]}, "ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/*"}}
    put("policy", json.dumps({"Version": "2012-10-17", "Statement": [{"Sid": "a", "Effect": "Allow", "Action": ["sqs:*", "s?s:Send*"], "Resource": "arn:aws:sqs:*:*:*", "Condition": tests}, {"Effect": "Deny", "NotAction": "x:*", "NotResource": ["a*b*c", "${aws:username}"], "Principal": {"AWS": "*"}}]}))


def patterns():
    for path in [ROOT / "crates/lambda/src/mappings/filter.rs", ROOT / "crates/logs/src/pattern.rs"]:
        for text in strings(path):
            put("pattern", text + '\n{"a": "Hello", "n": 5, "list": ["x"]}')
    for pattern in re.findall(r"json!\((\{.*?\})\)[,;]", (ROOT / "crates/lambda/src/mappings/filter.rs").read_text()):
        put("pattern", pattern + '\n{"a": "Hello", "n": 5, "list": ["x", "y"], "in": {"b": true}}')
    put("pattern", '{ ($.status >= 500 && $.path = "/x*") || $.a[0].b != 1 }\n{"status": 503, "path": "/xy", "a": [{"b": 2}]}')


def archive(*entries):
    out = BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as zip:
        for name, content, mode in entries:
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            zip.writestr(info, content)
    return out.getvalue()


def archives():
    file, link, folder = 0o100644, 0o120777, 0o040755
    put("archive", archive(("index.js", "exports.handler = 1", file)))
    put("archive", archive(("a/", "", folder), ("a/b.py", "x" * 1000, 0o100755)))
    put("archive", archive(("../../escape", "x", file)))
    put("archive", archive(("/etc/x", "x", file), ("a\\..\\b", "x", file)))
    put("archive", archive(("a", "b", link), ("b", "text", file)))
    put("archive", archive(("a", "../..", link), ("a/b", "text", file)))
    put("archive", archive(("d/l", "../x", link), ("x", "", file), ("l2", "d/l", link)))
    put("archive", archive(("bomb", b"\0" * (8 << 20), file)))
    put("archive", archive(*((f"f{n}", "", file) for n in range(200))))
    put("archive", archive(("a", "", file), ("a/b", "", file)))


def chunks():
    put("chunked", b"\x035\r\nhello\r\n6;chunk-signature=x\r\n world\r\n0\r\nx-amz-checksum-crc32:DUoRhQ==\r\n\r\n")
    put("chunked", b"\x015;chunk-signature=ab\r\nhello\r\n0;chunk-signature=cd\r\nx-amz-a:b\r\nx-amz-trailer-signature:ef\r\n\r\n")
    put("chunked", b"\x0ffffffffffffffff\r\na")


def requests():
    auth = "Authorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20260101/us-east-1/{}/aws4_request, SignedHeaders=host;x-amz-date, Signature=ab\nX-Amz-Date: 20260101T000000Z\nHost: localhost:4566"

    def request(line, service, headers=(), body=""):
        put("wire", "\n".join([line, auth.format(service), *headers, "", body]))

    json10 = "Content-Type: application/x-amz-json-1.0"
    form = "Content-Type: application/x-www-form-urlencoded"
    for service, target, body in [
        ("sqs", "AmazonSQS.SendMessage", '{"QueueUrl": "http://localhost/0/q", "MessageBody": "x", "MessageAttributes": {"a": {"DataType": "Binary", "BinaryValue": "eA=="}}}'),
        ("sqs", "AmazonSQS.SendMessageBatch", '{"QueueUrl": "q", "Entries": [{"Id": "1", "MessageBody": "\\u00e9"}]}'),
        ("dynamodb", "DynamoDB_20120810.PutItem", '{"TableName": "t", "Item": {"a": {"M": {"b": {"L": [{"N": "1.5e3"}, {"NULL": true}, {"SS": ["x"]}]}}}}, "ConditionExpression": "attribute_not_exists(#a)", "ExpressionAttributeNames": {"#a": "a"}}'),
        ("dynamodb", "DynamoDB_20120810.CreateTable", '{"TableName": "t", "AttributeDefinitions": [{"AttributeName": "a", "AttributeType": "S"}], "KeySchema": [{"AttributeName": "a", "KeyType": "HASH"}], "ProvisionedThroughput": {"ReadCapacityUnits": 1, "WriteCapacityUnits": 1}}'),
        ("logs", "Logs_20140328.PutLogEvents", '{"logGroupName": "g", "logStreamName": "s", "logEvents": [{"timestamp": 1, "message": "m"}]}'),
        ("ssm", "AmazonSSM.GetParameters", '{"Names": ["a"]}'),
    ]:
        request("POST / HTTP/1.1", service, [f"X-Amz-Target: {target}", json10], body)
    for service, body in [
        ("sqs", "Action=SendMessage&Version=2012-11-05&QueueUrl=q&MessageBody=x&MessageAttribute.1.Name=a&MessageAttribute.1.Value.DataType=String&MessageAttribute.1.Value.StringValue=b"),
        ("iam", "Action=CreateRole&Version=2010-05-08&RoleName=r&AssumeRolePolicyDocument=%7B%7D&Tags.member.1.Key=a&Tags.member.1.Value=b"),
        ("sts", "Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A000000000000%3Arole%2Fr&RoleSessionName=s&DurationSeconds=900"),
        ("cloudformation", "Action=CreateStack&Version=2010-05-15&StackName=s&TemplateBody=%7B%7D&Parameters.member.1.ParameterKey=a&Parameters.member.1.ParameterValue=b&DisableRollback=true"),
    ]:
        request("POST / HTTP/1.1", service, [form], body)
    for line, service, headers, body in [
        ("POST /2015-03-31/functions HTTP/1.1", "lambda", [], '{"FunctionName": "f", "Role": "arn:aws:iam::000000000000:role/r", "Code": {"ZipFile": "UEs="}, "Runtime": "nodejs20.x", "Environment": {"Variables": {"a": "b"}}}'),
        ("POST /2015-03-31/functions/f/invocations?Qualifier=1 HTTP/1.1", "lambda", ["X-Amz-Invocation-Type: Event", "X-Amz-Client-Context: e30="], "{}"),
        ("GET /2015-03-31/functions/?MaxItems=5&Marker=x HTTP/1.1", "lambda", [], ""),
        ("DELETE /2017-03-31/tags/arn%3Aaws%3Alambda%3Aus-east-1%3A0%3Afunction%3Af?tagKeys=a&tagKeys=b HTTP/1.1", "lambda", [], ""),
        ("POST /v2/apis HTTP/1.1", "apigateway", [], '{"name": "a", "protocolType": "HTTP", "corsConfiguration": {"allowOrigins": ["*"]}}'),
        ("PUT /bucket HTTP/1.1", "s3", [], "<CreateBucketConfiguration xmlns='http://s3.amazonaws.com/doc/2006-03-01/'><LocationConstraint>eu-west-1</LocationConstraint></CreateBucketConfiguration>"),
        ("PUT /bucket/key HTTP/1.1", "s3", ["x-amz-content-sha256: STREAMING-UNSIGNED-PAYLOAD-TRAILER", "x-amz-decoded-content-length: 5", "x-amz-trailer: x-amz-checksum-crc32", "Content-Encoding: aws-chunked"], "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n"),
        ("PUT /bucket/key HTTP/1.1", "s3", ["x-amz-content-sha256: STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "x-amz-decoded-content-length: 5"], "5;chunk-signature=ab\r\nhello\r\n0;chunk-signature=cd\r\n\r\n"),
        ("PUT /bucket/key HTTP/1.1", "s3", ["Content-MD5: 1B2M2Y8AsgTpgAmY7PhCfg==", "x-amz-meta-a: b", "x-amz-tagging: a=b&c=d", "x-amz-checksum-sha256: 47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="], ""),
        ("GET /bucket/key?versionId=x&partNumber=1&response-content-type=a HTTP/1.1", "s3", ["Range: bytes=0-9", "If-None-Match: \"x\"", "If-Modified-Since: Wed, 21 Oct 2015 07:28:00 GMT"], ""),
        ("GET /bucket?list-type=2&prefix=a&delimiter=%2F&max-keys=3&encoding-type=url HTTP/1.1", "s3", [], ""),
        ("POST /bucket?delete HTTP/1.1", "s3", [], "<Delete><Object><Key>a</Key><VersionId>v</VersionId></Object><Quiet>true</Quiet></Delete>"),
        ("POST /bucket/key?uploadId=u HTTP/1.1", "s3", [], "<CompleteMultipartUpload><Part><ETag>\"a\"</ETag><PartNumber>1</PartNumber></Part></CompleteMultipartUpload>"),
        ("PUT /bucket?lifecycle HTTP/1.1", "s3", [], "<LifecycleConfiguration><Rule><ID>r</ID><Filter><And><Prefix>a</Prefix><Tag><Key>k</Key><Value>v</Value></Tag></And></Filter><Status>Enabled</Status><Expiration><Days>1</Days></Expiration></Rule></LifecycleConfiguration>"),
        ("PUT /bucket?cors HTTP/1.1", "s3", [], "<CORSConfiguration><CORSRule><AllowedMethod>GET</AllowedMethod><AllowedOrigin>*</AllowedOrigin></CORSRule></CORSConfiguration>"),
        ("PUT /bucket/key HTTP/1.1", "s3", ["x-amz-copy-source: /bucket/a%2Fb?versionId=x", "x-amz-copy-source-range: bytes=0-5"], ""),
    ]:
        request(line, service, headers, body)
    put("wire", "GET /bucket/key?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIA%2F20260101%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20260101T000000Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Signature=ab HTTP/1.1\nHost: bucket.s3.amazonaws.com\n\n")
    put("wire", "GET /bucket/key?AWSAccessKeyId=a&Expires=4000000000&Signature=b%3D HTTP/1.1\nHost: localhost\n\n")
    put("wire", "GET /bucket/key HTTP/1.1\nAuthorization: AWS a:b=\nDate: Thu, 01 Jan 2026 00:00:00 GMT\n\n")
    put("wire", "OPTIONS /bucket/key HTTP/1.1\nOrigin: http://a\nAccess-Control-Request-Method: PUT\nAccess-Control-Request-Headers: x-a, x-b\nHost: localhost\n\n")
    put("wire", "POST /x?a=b HTTP/1.1\nHost: abc123.execute-api.localhost:4566\n\n{}")


def large():
    """What is small to say and large to do."""
    sub, text, join = "x", '"', "x"
    for _ in range(30):
        sub = {"Fn::Sub": ["${a}${a}${a}${a}", {"a": sub}]}
        text = {"Fn::ToJsonString": [text]}
        join = {"Fn::Join": [join, ["a", "b", "c", "d"]]}
    for value in (sub, text, join, {"Fn::Join": ["x" * 20000, ["y"] * 8000]}):
        put("template", json.dumps({"Resources": {"A": {"Type": "AWS::SQS::Queue", "Properties": {"X": value}}}}))
    chain = {f"C{n}": {"Condition": f"C{n + 1}"} for n in range(1500)} | {"C1500": {"Fn::Equals": ["a", "a"]}}
    put("template", json.dumps({"Conditions": chain, "Resources": {"A": {"Type": "AWS::SQS::Queue"}}}))
    put("template", "Resources: " + "[" * 20000)
    put("template", "Resources:\n" + "".join(" " * n + "a:\n" for n in range(340)))
    put("template", "a: &a [" + "x," * 10000 + "]\nb: [" + "*a," * 10000 + "]")
    for needs in (60, 600):
        many = {f"R{n}": {"Type": "AWS::SQS::Queue", "DependsOn": [f"R{m}" for m in range(max(0, n - 8), n)]} for n in range(needs)}
        put("template", json.dumps({"Resources": many})[:65000])
    stars = "*a" * 500
    statement = {"Effect": "Allow", "Action": stars, "Resource": "*" * 2000 + "q?" * 200}
    put("policy", json.dumps({"Statement": [statement] * 20}))
    put("policy", json.dumps({"Statement": [{"Effect": "Allow", "Action": ["s*"] * 5000, "Resource": "*"}]}))
    put("policy", '{"Statement":' + "[" * 30000)
    put("pattern", json.dumps({"a": [{"wildcard": "*a" * 1000}]}) + "\n" + json.dumps({"a": "a" * 30000}))
    put("pattern", "{" + "(" * 30000 + "\n{}")
    put("pattern", '{"a":' * 700 + "1\n{}")
    put("pattern", "{ $" + ".a" * 20000 + " = 1 }\n{}")
    for text in ("SELECT a, b.c[0] FROM \"t\".\"i\" WHERE pk IN ['a'] AND NOT sk < -1.5e3 ORDER BY sk DESC", "INSERT INTO t VALUE {'a': [1, <<'x'>>, {'b': NULL}]}", "UPDATE t SET a = list_append(a, ['x']) REMOVE b WHERE pk = 'it''s' RETURNING ALL OLD *", "DELETE FROM t WHERE pk = 1 AND a IS MISSING"):
        put("expression", text)
    put("expression", "(" * 4000)
    put("expression", "NOT " * 1000 + "a = b")
    put("expression", "a" + "[0]" * 1300 + " = :v")
    put("expression", " OR ".join(["a = :v"] * 400))
    put("expression", "SET " + ", ".join(f"a{n} = if_not_exists(a{n}, b + c)" for n in range(100)))
    put("chunked", b"\x01" + b"1\r\na\r\n" * 8000)
    put("chunked", b"\xff" + b"0\r\n" + b"a:b\r\n" * 5000)
    auth = "Authorization: AWS4-HMAC-SHA256 Credential=AKIA/20260101/us-east-1/{}/aws4_request, SignedHeaders={}, Signature=ab\nX-Amz-Date: 20260101T000000Z\nHost: localhost"
    signed = ";".join(["host"] * 5000)
    put("wire", "POST / HTTP/1.1\n" + auth.format("sqs", signed) + "\nX-Amz-Target: AmazonSQS.ListQueues\n\n{}")
    put("wire", "GET /" + "../" * 15000 + " HTTP/1.1\n" + auth.format("execute-api", "host") + "\n\n")
    put("wire", "GET /b?" + "a&" * 20000 + " HTTP/1.1\n" + auth.format("s3", "host") + "\n\n")
    put("wire", "POST / HTTP/1.1\n" + auth.format("dynamodb", "host") + "\nX-Amz-Target: DynamoDB_20120810.PutItem\n\n" + '{"Item":{"a":' + '{"M":{"a":' * 3000)
    put("wire", "POST / HTTP/1.1\n" + auth.format("dynamodb", "host") + "\nX-Amz-Target: DynamoDB_20120810.PutItem\n\n" + '{"x":' + "[" * 30000)
    put("wire", "POST / HTTP/1.1\n" + auth.format("iam", "host") + "\nContent-Type: application/x-www-form-urlencoded\n\nAction=CreateRole&Version=2010-05-08" + "".join(f"&Tags.member.{n}.Key=a" for n in range(2000)))
    put("wire", "POST / HTTP/1.1\n" + auth.format("iam", "host") + "\nContent-Type: application/x-www-form-urlencoded\n\nAction=CreateRole&Version=2010-05-08&Tags" + ".member.1" * 5000 + "=a")
    put("wire", "POST /b?delete HTTP/1.1\n" + auth.format("s3", "host") + "\n\n<Delete>" + "<Object><Key>a</Key></Object>" * 2000)
    put("wire", "POST /b?delete HTTP/1.1\n" + auth.format("s3", "host") + "\n\n" + "<a>" * 20000)
    put("wire", "POST /b?delete HTTP/1.1\n" + auth.format("s3", "host") + "\n\n<Delete>" + "<a/>x" * 12000)
    put("wire", "PUT /b/k HTTP/1.1\n" + auth.format("s3", "host") + "\nx-amz-tagging: " + "a=b&" * 10000 + "\n\n")


def dictionary(target, words):
    lines = (json.dumps(word).encode().decode() for word in sorted(set(words)))
    (HERE / "dict").mkdir(exist_ok=True)
    (HERE / "dict" / target).write_text("\n".join(lines) + "\n")


templates()
expressions()
policies()
patterns()
archives()
chunks()
requests()
large()
dictionary("template", ["Fn::Sub", "Fn::GetAtt", "Fn::Join", "Fn::Select", "Fn::Split", "Fn::If", "Fn::FindInMap", "Fn::Cidr", "Fn::Base64", "Ref", "Condition", "!Sub", "!Ref", "!GetAtt", "&a", "*a", "<<", "AWS::NoValue", "Resources", "Type", "Properties", "Outputs", "Mappings", "Parameters", "Rules", "${", "Fn::ToJsonString", "Fn::Length", "Fn::Transform"])
dictionary("expression", ["SET", "REMOVE", "ADD", "DELETE", "BETWEEN", "AND", "OR", "NOT", "IN", "attribute_exists(", "begins_with(", "contains(", "size(", "list_append(", "if_not_exists(", ":v", "#n", "a.b[0]"])
dictionary("policy", ["Effect", "Allow", "Deny", "Action", "NotAction", "Resource", "NotResource", "Condition", "StringLike", "ForAllValues:", "IfExists", "Principal", "${aws:username}"])
dictionary("pattern", ["anything-but", "prefix", "suffix", "wildcard", "numeric", "exists", "equals-ignore-case", "$or", "$.", "&&", "||", ">=", "!="])
dictionary("wire", ["x-amz-content-sha256: STREAMING-UNSIGNED-PAYLOAD-TRAILER", "x-amz-checksum-crc32", "x-amz-checksum-crc64nvme", "x-amz-trailer: ", "aws-chunked", "UNSIGNED-PAYLOAD", "Content-Type: application/x-www-form-urlencoded", "X-Amz-Target: ", ".member.1.", "&Action=", "<![CDATA[", "<!--", "&#x41;", "x-amz-security-token: ", "AWS4-ECDSA-P256-SHA256", "X-Amz-Expires="])
