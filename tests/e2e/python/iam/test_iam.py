"""IAM and STS through boto3."""

import json

import pytest

TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}],
    }
)
ALLOW = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sqs:*", "Resource": "*"}]})


@pytest.fixture
def iam(client):
    return client("iam")


def test_the_caller_is_the_account_of_its_key(client, account):
    answer = client("sts").get_caller_identity()
    assert (answer["Account"], answer["Arn"]) == (account, f"arn:aws:iam::{account}:root")
    assert client("sts", key="test").get_caller_identity()["Account"] == "000000000000"


def test_roles_with_inline_and_managed_policies(iam, error, account):
    role = iam.create_role(RoleName="r", AssumeRolePolicyDocument=TRUST, Tags=[{"Key": "a", "Value": "b"}])["Role"]
    assert role["Arn"] == f"arn:aws:iam::{account}:role/r" and role["RoleId"].startswith("AROA")
    assert error(iam.create_role, RoleName="r", AssumeRolePolicyDocument=TRUST) == ("EntityAlreadyExists", "Role with name r already exists.")
    iam.put_role_policy(RoleName="r", PolicyName="p", PolicyDocument=ALLOW)
    assert iam.get_role_policy(RoleName="r", PolicyName="p")["PolicyDocument"] == json.loads(ALLOW)
    policy = iam.create_policy(PolicyName="m", PolicyDocument=ALLOW)["Policy"]["Arn"]
    iam.attach_role_policy(RoleName="r", PolicyArn=policy)
    iam.attach_role_policy(RoleName="r", PolicyArn="arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole")
    names = [p["PolicyName"] for p in iam.list_attached_role_policies(RoleName="r")["AttachedPolicies"]]
    assert sorted(names) == ["AWSLambdaBasicExecutionRole", "m"]
    assert error(iam.delete_role, RoleName="r")[0] == "DeleteConflict"
    assert error(iam.delete_policy, PolicyArn=policy)[0] == "DeleteConflict"
    for arn in (policy, "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"):
        iam.detach_role_policy(RoleName="r", PolicyArn=arn)
    iam.delete_role_policy(RoleName="r", PolicyName="p")
    iam.delete_role(RoleName="r")
    iam.delete_policy(PolicyArn=policy)
    assert error(iam.get_role, RoleName="r") == ("NoSuchEntity", "The role with name r cannot be found.")


def test_policy_versions(iam, error):
    arn = iam.create_policy(PolicyName="m", PolicyDocument=ALLOW)["Policy"]["Arn"]
    for _ in range(4):
        iam.create_policy_version(PolicyArn=arn, PolicyDocument=ALLOW, SetAsDefault=True)
    assert error(iam.create_policy_version, PolicyArn=arn, PolicyDocument=ALLOW)[0] == "LimitExceeded"
    versions = iam.list_policy_versions(PolicyArn=arn)["Versions"]
    assert [v["VersionId"] for v in versions] == ["v5", "v4", "v3", "v2", "v1"] and versions[0]["IsDefaultVersion"]
    assert error(iam.delete_policy_version, PolicyArn=arn, VersionId="v5")[0] == "DeleteConflict"
    assert error(iam.create_policy, PolicyName="x", PolicyDocument="{}")[0] == "MalformedPolicyDocument"


def test_users_and_their_keys_are_identities(iam, client, account):
    iam.create_user(UserName="u")
    key = iam.create_access_key(UserName="u")["AccessKey"]
    user = client("sts", key=key["AccessKeyId"], secret=key["SecretAccessKey"])
    assert user.get_caller_identity()["Arn"] == f"arn:aws:iam::{account}:user/u"
    iam.delete_access_key(UserName="u", AccessKeyId=key["AccessKeyId"])
    iam.delete_user(UserName="u")


def test_a_role_is_assumed_by_whom_it_trusts(iam, client, account, error):
    role = iam.create_role(RoleName="r", AssumeRolePolicyDocument=TRUST)["Role"]
    sts = client("sts")
    taken = sts.assume_role(RoleArn=role["Arn"], RoleSessionName="me")
    assert taken["AssumedRoleUser"]["Arn"] == f"arn:aws:sts::{account}:assumed-role/r/me"
    credentials = taken["Credentials"]
    me = client("sts", key=credentials["AccessKeyId"], secret=credentials["SecretAccessKey"], aws_session_token=credentials["SessionToken"])
    assert me.get_caller_identity()["Arn"] == taken["AssumedRoleUser"]["Arn"]
    nobody = TRUST.replace('"*"', '"arn:aws:iam::111111111111:root"')
    closed = iam.create_role(RoleName="closed", AssumeRolePolicyDocument=nobody)["Role"]
    code, message = error(sts.assume_role, RoleArn=closed["Arn"], RoleSessionName="me")
    assert code == "AccessDenied" and closed["Arn"] in message


def test_an_operation_that_nobody_implemented_says_so(iam, error):
    code, message = error(iam.create_group, GroupName="g")
    assert code == "NotImplemented" and "iam:CreateGroup" in message


def test_bad_values_get_awss_words(iam, error):
    code, message = error(iam.create_role, RoleName="a b", AssumeRolePolicyDocument=TRUST)
    assert code == "ValidationError"
    assert "Value 'a b' at 'roleName' failed to satisfy constraint: Member must satisfy regular expression pattern" in message


def test_secrets_are_sealed_at_rest(new_cloud):
    cloud = new_cloud().start()
    iam, sts = cloud.client("iam"), cloud.client("sts")
    iam.create_user(UserName="u")
    key = iam.create_access_key(UserName="u")["AccessKey"]
    iam.create_role(RoleName="r", AssumeRolePolicyDocument=TRUST)
    session = sts.get_session_token()["Credentials"]
    secrets = [key["SecretAccessKey"], session["SecretAccessKey"], session["SessionToken"]]
    assert (cloud.folder / "secrets-key").stat().st_mode & 0o777 == 0o600
    cloud.kill()
    stored = b"".join(p.read_bytes() for p in (cloud.folder / "store").rglob("*") if p.is_file())
    assert key["AccessKeyId"].encode() in stored
    assert not [s for s in secrets if s.encode() in stored]
    # They still work after a start, and not without their key.
    cloud.start()
    mine = cloud.client("sts", key=key["AccessKeyId"], secret=key["SecretAccessKey"])
    assert mine.get_caller_identity()["Arn"].endswith(":user/u")
    cloud.kill()
    (cloud.folder / "secrets-key").write_bytes(bytes(32))
    cloud.start()
    mine = cloud.client("sts", key=key["AccessKeyId"], secret=key["SecretAccessKey"])
    with pytest.raises(Exception, match="InternalFailure|InternalError"):
        mine.get_caller_identity()


def test_secure_mode_verifies_signatures_and_enforces_policies(new_cloud):
    import configparser

    from conftest import wait_for

    cloud = new_cloud("--secure")
    path = cloud.folder / "root-key"
    cloud.url = cloud.url.replace("http:", "https:")
    cloud.wait = lambda: wait_for(path)
    cloud.start()
    keys = configparser.ConfigParser()
    assert path.stat().st_mode & 0o777 == 0o600
    keys.read(path)
    root = {"key": keys["default"]["aws_access_key_id"], "secret": keys["default"]["aws_secret_access_key"]}
    trust = {"verify": str(cloud.folder / "authority/ca.pem")}
    iam = cloud.client("iam", **root, **trust)
    sqs = cloud.client("sqs", **root, **trust)
    queue = sqs.create_queue(QueueName="q")["QueueUrl"]

    from botocore.exceptions import ClientError

    def refused(operation, **arguments):
        with pytest.raises(ClientError) as caught:
            operation(**arguments)
        return caught.value.response["Error"]

    wrong = cloud.client("sqs", key=root["key"], secret="wrong", **trust)
    assert refused(wrong.list_queues)["Code"] == "InvalidSignatureException"
    unknown = cloud.client("sqs", key="123456789012", **trust)
    assert refused(unknown.list_queues)["Code"] in ("InvalidClientTokenId", "UnrecognizedClientException")
    iam.create_user(UserName="u")
    key = iam.create_access_key(UserName="u")["AccessKey"]
    user = {"key": key["AccessKeyId"], "secret": key["SecretAccessKey"]}
    mine = cloud.client("sqs", **user, **trust)
    answer = refused(mine.send_message, QueueUrl=queue, MessageBody="x")
    assert "sqs:sendmessage" in answer["Message"].lower() and "arn:aws:sqs:us-east-1:000000000000:q" in answer["Message"]
    iam.put_user_policy(UserName="u", PolicyName="p", PolicyDocument=ALLOW)
    assert mine.send_message(QueueUrl=queue, MessageBody="x")["MessageId"]
