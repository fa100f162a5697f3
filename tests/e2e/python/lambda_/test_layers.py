"""Layers through boto3: versions, functions that use them, permissions, templates."""

import io
import json
import urllib.request
import zipfile

import pytest

ROLE = "arn:aws:iam::{}:role/worker"


def call(fn, name, event):
    answer = fn.invoke(FunctionName=name, Payload=json.dumps(event))
    return answer, json.loads(answer["Payload"].read() or "null")


@pytest.fixture
def fn(client):
    return client("lambda")


def tree(files):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as z:
        for name, text in files.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = 0o644 << 16
            z.writestr(entry, text)
    return out.getvalue()


def publish(fn, name, word, **more):
    content = {"ZipFile": tree({"nodejs/node_modules/said/index.js": f"module.exports = '{word}';"})}
    return fn.publish_layer_version(LayerName=name, Content=content, **more)


USES = "exports.handler = async () => require('said');"


def make(fn, account, **more):
    return fn.create_function(
        FunctionName="f", Runtime="nodejs20.x", Handler="index.handler", Timeout=10, Role=ROLE.format(account),
        Code={"ZipFile": tree({"index.js": USES})}, **more)


def test_a_function_finds_what_its_layers_hold(fn, account, error):
    one = publish(fn, "said", "one", Description="d", CompatibleRuntimes=["nodejs20.x"], LicenseInfo="MIT")
    assert one["ResponseMetadata"]["HTTPStatusCode"] == 201 and one["Version"] == 1
    arn = f"arn:aws:lambda:us-east-1:{account}:layer:said"
    assert (one["LayerArn"], one["LayerVersionArn"]) == (arn, f"{arn}:1")
    made = make(fn, account, Layers=[one["LayerVersionArn"]])
    assert made["Layers"] == [{"Arn": f"{arn}:1", "CodeSize": one["Content"]["CodeSize"]}]
    assert call(fn, "f", {})[1] == "one"
    two = publish(fn, "said", "two")
    assert two["Version"] == 2
    other = publish(fn, "other", "other wins")
    fn.update_function_configuration(FunctionName="f", Layers=[two["LayerVersionArn"], other["LayerVersionArn"]])
    assert call(fn, "f", {})[1] == "other wins", "the later layer"
    fn.update_function_configuration(FunctionName="f", Layers=[other["LayerVersionArn"], two["LayerVersionArn"]])
    assert call(fn, "f", {})[1] == "two"
    # A layer that is gone stays with those who have it.
    fn.delete_layer_version(LayerName="said", VersionNumber=2)
    fn.update_function_configuration(FunctionName="f", Description="still")
    assert call(fn, "f", {})[1] == "two"
    assert error(fn.get_layer_version, LayerName="said", VersionNumber=2)[0] == "ResourceNotFoundException"
    got = fn.update_function_configuration(FunctionName="f", Layers=[])
    assert "Layers" not in got
    assert call(fn, "f", {})[0]["FunctionError"] == "Unhandled"
    assert publish(fn, "said", "three")["Version"] == 3, "numbers are not used again"


def test_layers_are_listed_and_fetched(fn):
    publish(fn, "a", "x", CompatibleRuntimes=["nodejs20.x"], CompatibleArchitectures=["x86_64"])
    publish(fn, "a", "y")
    b = publish(fn, "b", "z", CompatibleRuntimes=["python3.12"])
    layers = fn.list_layers()["Layers"]
    assert [(l["LayerName"], l["LatestMatchingVersion"]["Version"]) for l in layers] == [("a", 2), ("b", 1)]
    node = fn.list_layers(CompatibleRuntime="nodejs20.x")["Layers"]
    assert [(l["LayerName"], l["LatestMatchingVersion"]["Version"]) for l in node] == [("a", 1)]
    pages = fn.get_paginator("list_layer_versions").paginate(LayerName="a", PaginationConfig={"PageSize": 1})
    assert [v["Version"] for page in pages for v in page["LayerVersions"]] == [2, 1]
    got = fn.get_layer_version_by_arn(Arn=b["LayerVersionArn"])
    assert got["LayerVersionArn"] == b["LayerVersionArn"]
    with urllib.request.urlopen(got["Content"]["Location"]) as response:
        assert zipfile.ZipFile(io.BytesIO(response.read())).namelist() == ["nodejs/node_modules/said/index.js"]


def test_what_layers_may_not_be(fn, account, error):
    versions = [publish(fn, "a", word)["LayerVersionArn"] for word in "xy"]
    code, message = error(make, fn=fn, account=account, Layers=versions)
    assert code == "InvalidParameterValueException" and "Two different versions of the same layer" in message
    many = [publish(fn, f"l{n}", "x")["LayerVersionArn"] for n in range(6)]
    assert error(make, fn=fn, account=account, Layers=many)[1] == "Cannot reference more than 5 layers."
    missing = versions[0][:-1] + "9"
    assert error(make, fn=fn, account=account, Layers=[missing])[1] == f"Layer version {missing} does not exist."
    assert error(fn.publish_layer_version, LayerName="z", Content={"ZipFile": b"no zip"})[0] == "InvalidParameterValueException"


def test_a_layer_is_shared_by_its_policy(fn, cloud, account, error):
    layer = publish(fn, "a", "shared")
    where = {"LayerName": "a", "VersionNumber": 1}
    other = cloud.client("lambda", "999988887777")
    assert error(make, fn=other, account="999988887777", Layers=[layer["LayerVersionArn"]])[0] == "AccessDeniedException"
    grant = where | {"StatementId": "s", "Action": "lambda:GetLayerVersion", "Principal": "999988887777"}
    added = fn.add_layer_version_permission(**grant)
    assert json.loads(added["Statement"])["Principal"] == {"AWS": "arn:aws:iam::999988887777:root"}
    assert error(fn.add_layer_version_permission, **grant)[0] == "ResourceConflictException"
    policy = json.loads(fn.get_layer_version_policy(**where)["Policy"])
    assert [s["Sid"] for s in policy["Statement"]] == ["s"]
    make(other, "999988887777", Layers=[layer["LayerVersionArn"]])
    assert call(other, "f", {})[1] == "shared"
    other.delete_function(FunctionName="f")
    fn.remove_layer_version_permission(**where, StatementId="s")
    assert error(fn.get_layer_version_policy, **where)[0] == "ResourceNotFoundException"


def test_a_template_makes_layers(fn, client, account):
    s3, bucket = client("s3"), f"layers-{account}"
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="l.zip", Body=tree({"nodejs/node_modules/said/index.js": "module.exports = 'cfn';"}))
    template = {
        "Resources": {
            "Layer": {
                "Type": "AWS::Lambda::LayerVersion",
                "Properties": {"Content": {"S3Bucket": bucket, "S3Key": "l.zip"}, "CompatibleRuntimes": ["nodejs20.x"]},
            },
            "Shared": {
                "Type": "AWS::Lambda::LayerVersionPermission",
                "Properties": {
                    "Action": "lambda:GetLayerVersion", "LayerVersionArn": {"Ref": "Layer"}, "Principal": "*"},
            },
            "Function": {
                "Type": "AWS::Lambda::Function",
                "Properties": {
                    "FunctionName": "f", "Runtime": "nodejs20.x", "Handler": "index.handler", "Timeout": 10,
                    "Role": ROLE.format(account), "Code": {"ZipFile": USES}, "Layers": [{"Ref": "Layer"}]},
            },
        }
    }
    cloudformation = client("cloudformation")
    cloudformation.create_stack(StackName="s", TemplateBody=json.dumps(template))
    cloudformation.get_waiter("stack_create_complete").wait(StackName="s", WaiterConfig={"Delay": 1, "MaxAttempts": 30})
    assert call(fn, "f", {})[1] == "cfn"
    layer = fn.list_layers()["Layers"][0]["LatestMatchingVersion"]
    assert fn.get_layer_version_policy(LayerName=layer["LayerVersionArn"].rsplit(":", 1)[0], VersionNumber=1)["Policy"]
    cloudformation.delete_stack(StackName="s")
    cloudformation.get_waiter("stack_delete_complete").wait(StackName="s", WaiterConfig={"Delay": 1, "MaxAttempts": 30})
    assert fn.list_layers()["Layers"] == []
