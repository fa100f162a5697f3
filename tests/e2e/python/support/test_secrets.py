"""Secrets through boto3: versions and labels, deletion, rotation by a function, and what templates make of them."""

import io
import json
import string
import time
import zipfile


def test_values_have_versions_and_labels(client, error):
    secrets = client("secretsmanager")
    made = secrets.create_secret(Name="app/db", SecretString="one", Description="d", Tags=[{"Key": "k", "Value": "v"}])
    arn = made["ARN"]
    assert arn[:-6].endswith(":secret:app/db-")
    got = secrets.get_secret_value(SecretId="app/db")
    assert (got["SecretString"], got["VersionId"], got["VersionStages"]) == ("one", made["VersionId"], ["AWSCURRENT"])
    assert error(secrets.create_secret, Name="app/db", SecretString="x")[0] == "ResourceExistsException"

    second = secrets.put_secret_value(SecretId=arn, SecretString="two", ClientRequestToken="t" * 32)
    assert second["VersionId"] == "t" * 32
    again = secrets.put_secret_value(SecretId=arn[:-7], SecretString="two", ClientRequestToken="t" * 32)
    assert again["VersionId"] == second["VersionId"]
    code, message = error(secrets.put_secret_value, SecretId=arn, SecretString="three", ClientRequestToken="t" * 32)
    assert code == "ResourceExistsException" and "ClientRequestToken" in message
    assert secrets.get_secret_value(SecretId=arn)["SecretString"] == "two"
    assert secrets.get_secret_value(SecretId=arn, VersionStage="AWSPREVIOUS")["SecretString"] == "one"
    assert secrets.get_secret_value(SecretId=arn, VersionId=made["VersionId"])["SecretString"] == "one"

    secrets.put_secret_value(SecretId=arn, SecretBinary=b"\x00\x01", VersionStages=["mine"])
    assert secrets.get_secret_value(SecretId=arn, VersionStage="mine")["SecretBinary"] == b"\x00\x01"
    assert secrets.get_secret_value(SecretId=arn)["SecretString"] == "two"
    move = {"SecretId": arn, "VersionStage": "AWSCURRENT", "MoveToVersionId": made["VersionId"]}
    assert error(secrets.update_secret_version_stage, **move)[0] == "InvalidParameterException"
    secrets.update_secret_version_stage(RemoveFromVersionId=second["VersionId"], **move)
    assert secrets.get_secret_value(SecretId=arn)["SecretString"] == "one"
    described = secrets.describe_secret(SecretId=arn)
    assert described["VersionIdsToStages"][second["VersionId"]] == ["AWSPREVIOUS"]
    assert len(secrets.list_secret_version_ids(SecretId=arn)["Versions"]) == 3

    secrets.update_secret(SecretId=arn, SecretString="four", Description="e")
    described = secrets.describe_secret(SecretId=arn)
    assert described["Description"] == "e" and described["Tags"] == [{"Key": "k", "Value": "v"}]
    secrets.tag_resource(SecretId=arn, Tags=[{"Key": "l", "Value": "w"}])
    secrets.untag_resource(SecretId=arn, TagKeys=["k"])
    assert secrets.describe_secret(SecretId=arn)["Tags"] == [{"Key": "l", "Value": "w"}]
    code, message = error(secrets.get_secret_value, SecretId="nope")
    assert (code, message) == ("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
    code, message = error(secrets.get_secret_value, SecretId=arn, VersionStage="nope")
    assert code == "ResourceNotFoundException" and "staging label: nope" in message
    assert error(secrets.create_secret, Name="b", SecretString="x", SecretBinary=b"x")[0] == "InvalidParameterException"


def test_a_deleted_secret_can_come_back(client, error):
    secrets = client("secretsmanager")
    secrets.create_secret(Name="a", SecretString="x")
    assert error(secrets.delete_secret, SecretId="a", RecoveryWindowInDays=3)[0] == "InvalidParameterException"
    secrets.delete_secret(SecretId="a", RecoveryWindowInDays=7)
    code, message = error(secrets.get_secret_value, SecretId="a")
    assert code == "InvalidRequestException" and "marked for deletion" in message
    assert error(secrets.create_secret, Name="a", SecretString="y")[0] == "InvalidRequestException"
    assert secrets.list_secrets()["SecretList"] == []
    assert [s["Name"] for s in secrets.list_secrets(IncludePlannedDeletion=True)["SecretList"]] == ["a"]
    secrets.restore_secret(SecretId="a")
    assert secrets.get_secret_value(SecretId="a")["SecretString"] == "x"
    secrets.delete_secret(SecretId="a", ForceDeleteWithoutRecovery=True)
    assert error(secrets.describe_secret, SecretId="a")[0] == "ResourceNotFoundException"
    secrets.create_secret(Name="a", SecretString="y")
    assert secrets.get_secret_value(SecretId="a")["SecretString"] == "y"


def test_many_are_found_by_filters(client, error):
    secrets = client("secretsmanager")
    for name, description in [("app/a", "the database"), ("app/b", "a key"), ("other", "a key")]:
        secrets.create_secret(Name=name, SecretString=name, Description=description, Tags=[{"Key": "of", "Value": name}])

    def found(*filters, **more):
        filters = [{"Key": key, "Values": values} for key, *values in filters]
        return sorted(s["Name"] for s in secrets.list_secrets(Filters=filters, **more)["SecretList"])

    assert found(("name", "app/")) == ["app/a", "app/b"]
    assert found(("name", "!app/")) == ["other"]
    assert found(("name", "app/"), ("description", "key")) == ["app/b"]
    assert found(("tag-value", "other", "app/a")) == ["app/a", "other"]
    assert found(("all", "DATABASE")) == ["app/a"]
    pages = list(secrets.get_paginator("list_secrets").paginate(PaginationConfig={"PageSize": 2}))
    assert [len(page["SecretList"]) for page in pages] == [2, 1]
    batch = secrets.batch_get_secret_value(SecretIdList=["app/a", "nope"])
    assert [v["SecretString"] for v in batch["SecretValues"]] == ["app/a"]
    assert [e["ErrorCode"] for e in batch["Errors"]] == ["ResourceNotFoundException"]
    batch = secrets.batch_get_secret_value(Filters=[{"Key": "name", "Values": ["app/"]}])
    assert {v["Name"] for v in batch["SecretValues"]} == {"app/a", "app/b"}


def test_passwords(client, error):
    secrets = client("secretsmanager")
    password = secrets.get_random_password(PasswordLength=20, ExcludePunctuation=True)["RandomPassword"]
    assert len(password) == 20 and set(password) <= set(string.ascii_letters + string.digits)
    refused = error(secrets.get_random_password, PasswordLength=2)
    assert refused[0] == "InvalidParameterException"


def test_policies(client, error):
    secrets = client("secretsmanager")
    secrets.create_secret(Name="a", SecretString="x")
    statement = {"Effect": "Allow", "Principal": "*", "Action": "secretsmanager:*", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    assert error(secrets.put_resource_policy, SecretId="a", ResourcePolicy=policy, BlockPublicPolicy=True)[0] == "PublicPolicyException"
    assert error(secrets.put_resource_policy, SecretId="a", ResourcePolicy="{")[0] == "MalformedPolicyDocumentException"
    assert not secrets.validate_resource_policy(ResourcePolicy=policy)["PolicyValidationPassed"]
    secrets.put_resource_policy(SecretId="a", ResourcePolicy=policy)
    assert secrets.get_resource_policy(SecretId="a")["ResourcePolicy"] == policy
    secrets.delete_resource_policy(SecretId="a")
    assert "ResourcePolicy" not in secrets.get_resource_policy(SecretId="a")


def test_a_key_that_is_switched_off_closes_the_secret(client, error):
    secrets, kms = client("secretsmanager"), client("kms")
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    secrets.create_secret(Name="a", SecretString="x", KmsKeyId=key)
    assert secrets.get_secret_value(SecretId="a")["SecretString"] == "x"
    kms.disable_key(KeyId=key)
    assert error(secrets.get_secret_value, SecretId="a")[0] == "DecryptionFailure"
    assert error(secrets.create_secret, Name="b", SecretString="x", KmsKeyId=key)[0] == "EncryptionFailure"
    kms.enable_key(KeyId=key)
    assert secrets.get_secret_value(SecretId="a")["SecretString"] == "x"


ROTATOR = """
import json, os, urllib.request

def call(operation, **given):
    credential = os.environ["AWS_ACCESS_KEY_ID"] + "/20200101/us-east-1/secretsmanager/aws4_request"
    headers = {
        "Content-Type": "application/x-amz-json-1.1",
        "X-Amz-Target": "secretsmanager." + operation,
        "X-Amz-Security-Token": os.environ["AWS_SESSION_TOKEN"],
        "Authorization": f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=host, Signature=00",
    }
    request = urllib.request.Request(os.environ["AWS_ENDPOINT_URL"], json.dumps(given).encode(), headers)
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)

def handler(event, context):
    secret, token = event["SecretId"], event["ClientRequestToken"]
    stages = call("DescribeSecret", SecretId=secret)["VersionIdsToStages"]
    assert token in stages, stages
    if "AWSCURRENT" in stages[token]:
        return
    assert "AWSPENDING" in stages[token], stages
    if event["Step"] == "createSecret":
        call("PutSecretValue", SecretId=secret, ClientRequestToken=token, SecretString="new-" + token, VersionStages=["AWSPENDING"])
    elif event["Step"] == "testSecret":
        call("GetSecretValue", SecretId=secret, VersionId=token, VersionStage="AWSPENDING")
    elif event["Step"] == "finishSecret":
        current = next(v for v, labels in stages.items() if "AWSCURRENT" in labels)
        call("UpdateSecretVersionStage", SecretId=secret, VersionStage="AWSCURRENT", MoveToVersionId=token, RemoveFromVersionId=current)
"""


def archive(source):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as z:
        entry = zipfile.ZipInfo("index.py")
        entry.external_attr = 0o644 << 16
        z.writestr(entry, source)
    return out.getvalue()


def rotated(secrets, secret, token, seconds=60):
    deadline = time.monotonic() + seconds
    while True:
        described = secrets.describe_secret(SecretId=secret)
        labels = described["VersionIdsToStages"].get(token, [])
        if "LastRotatedDate" in described and labels == ["AWSCURRENT"]:
            return described
        assert time.monotonic() < deadline, described
        time.sleep(0.05)


def test_a_function_rotates(client, error, account):
    secrets, lam = client("secretsmanager"), client("lambda")
    secrets.create_secret(Name="r", SecretString="old")
    assert error(secrets.rotate_secret, SecretId="r")[0] == "InvalidRequestException"
    function = lam.create_function(FunctionName="rot", Runtime="python3.12", Role=f"arn:aws:iam::{account}:role/r", Handler="index.handler", Timeout=30, Code={"ZipFile": archive(ROTATOR)})
    lam.get_waiter("function_active_v2").wait(FunctionName="rot")
    token = "r" * 32
    secrets.rotate_secret(SecretId="r", RotationLambdaARN=function["FunctionArn"], RotationRules={"AutomaticallyAfterDays": 30}, ClientRequestToken=token)
    described = rotated(secrets, "r", token)
    assert described["RotationEnabled"] and described["RotationRules"] == {"AutomaticallyAfterDays": 30}
    assert described["NextRotationDate"] > described["LastRotatedDate"]
    assert secrets.get_secret_value(SecretId="r")["SecretString"] == "new-" + token
    assert secrets.get_secret_value(SecretId="r", VersionStage="AWSPREVIOUS")["SecretString"] == "old"
    secrets.cancel_rotate_secret(SecretId="r")
    described = secrets.describe_secret(SecretId="r")
    assert not described["RotationEnabled"] and "NextRotationDate" not in described


def test_templates_make_secrets_and_read_them(client, deploy):
    resources = {
        "Password": {
            "Type": "AWS::SecretsManager::Secret",
            "Properties": {"Name": "pw", "GenerateSecretString": {"SecretStringTemplate": '{"user": "u"}', "GenerateStringKey": "password", "ExcludePunctuation": True}},
        },
        "Policy": {
            "Type": "AWS::SecretsManager::ResourcePolicy",
            "Properties": {
                "SecretId": {"Ref": "Password"},
                "ResourcePolicy": {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Principal": "*", "Action": "secretsmanager:DeleteSecret", "Resource": "*"}]},
            },
        },
        "Copy": {
            "Type": "AWS::SSM::Parameter",
            "Properties": {"Name": "copy", "Type": "String", "Value": {"Fn::Sub": "{{resolve:secretsmanager:${Password}:SecretString:password}}"}},
        },
    }
    template = {"Resources": resources, "Outputs": {"Arn": {"Value": {"Ref": "Password"}}}}
    stack = deploy("s", template)
    secrets = client("secretsmanager")
    value = json.loads(secrets.get_secret_value(SecretId="pw")["SecretString"])
    assert value["user"] == "u" and len(value["password"]) == 32
    assert stack["Outputs"][0]["OutputValue"] == secrets.describe_secret(SecretId="pw")["ARN"]
    assert "Deny" in secrets.get_resource_policy(SecretId="pw")["ResourcePolicy"]
    assert client("ssm").get_parameter(Name="copy")["Parameter"]["Value"] == value["password"]
    resources["Password"]["Properties"]["Description"] = "changed"
    deploy("s", template, "UPDATE")
    assert secrets.describe_secret(SecretId="pw")["Description"] == "changed"
    assert json.loads(secrets.get_secret_value(SecretId="pw")["SecretString"]) == value


def test_policies_name_whole_arns_whatever_the_caller_names(secure_cloud, error):
    iam, secrets = secure_cloud.client("iam"), secure_cloud.client("secretsmanager")
    one = secrets.create_secret(Name="one", SecretString="1")["ARN"]
    secrets.create_secret(Name="two", SecretString="2")
    iam.create_user(UserName="u")
    made = iam.create_access_key(UserName="u")["AccessKey"]
    user = secure_cloud.client("secretsmanager", key=made["AccessKeyId"], secret=made["SecretAccessKey"])
    assert error(user.get_secret_value, SecretId="one")[0] == "AccessDeniedException"
    statements = [
        {"Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": one},
        {"Effect": "Allow", "Action": "secretsmanager:BatchGetSecretValue", "Resource": "*"},
    ]
    iam.put_user_policy(UserName="u", PolicyName="p", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": statements}))
    for name in ["one", one, one[:-7]]:
        assert user.get_secret_value(SecretId=name)["SecretString"] == "1"
    assert error(user.get_secret_value, SecretId="two")[0] == "AccessDeniedException"
    batch = user.batch_get_secret_value(SecretIdList=["one", "two"])
    assert [v["Name"] for v in batch["SecretValues"]] == ["one"]
    assert [e["ErrorCode"] for e in batch["Errors"]] == ["AccessDeniedException"]
