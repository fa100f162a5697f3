"""The parameter store, repositories and keys through boto3."""

import json


def test_parameters_have_versions_paths_and_tags(client, error):
    ssm = client("ssm")
    assert ssm.put_parameter(Name="/a/b", Value="1", Type="String")["Version"] == 1
    assert error(ssm.put_parameter, Name="/a/b", Value="2", Type="String")[0] == "ParameterAlreadyExists"
    assert ssm.put_parameter(Name="/a/b", Value="2", Overwrite=True)["Version"] == 2
    ssm.put_parameter(Name="/a/c/d", Value="x,y", Type="StringList")
    assert ssm.get_parameter(Name="/a/b")["Parameter"]["Value"] == "2"
    assert ssm.get_parameter(Name="/a/b:1")["Parameter"]["Value"] == "1"
    assert [p["Name"] for p in ssm.get_parameters_by_path(Path="/a")["Parameters"]] == ["/a/b"]
    assert [p["Name"] for p in ssm.get_parameters_by_path(Path="/a", Recursive=True)["Parameters"]] == ["/a/b", "/a/c/d"]
    got = ssm.get_parameters(Names=["/a/b", "/nope"])
    assert [p["Value"] for p in got["Parameters"]] == ["2"] and got["InvalidParameters"] == ["/nope"]
    assert [h["Value"] for h in ssm.get_parameter_history(Name="/a/b")["Parameters"]] == ["1", "2"]
    ssm.add_tags_to_resource(ResourceType="Parameter", ResourceId="/a/b", Tags=[{"Key": "k", "Value": "v"}])
    assert ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId="/a/b")["TagList"] == [{"Key": "k", "Value": "v"}]
    described = ssm.describe_parameters(ParameterFilters=[{"Key": "Name", "Option": "BeginsWith", "Values": ["/a/c"]}])
    assert [p["Name"] for p in described["Parameters"]] == ["/a/c/d"]
    ssm.delete_parameter(Name="/a/b")
    assert error(ssm.get_parameter, Name="/a/b")[0] == "ParameterNotFound"


def test_repositories(client, account, error):
    ecr = client("ecr")
    made = ecr.create_repository(repositoryName="r/s", imageTagMutability="IMMUTABLE")["repository"]
    assert made["repositoryUri"] == f"{account}.dkr.ecr.us-east-1.amazonaws.com/r/s"
    assert ecr.describe_repositories()["repositories"][0]["imageTagMutability"] == "IMMUTABLE"
    policy = json.dumps({"rules": [{"rulePriority": 1, "selection": {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 5}, "action": {"type": "expire"}}]})
    ecr.put_lifecycle_policy(repositoryName="r/s", lifecyclePolicyText=policy)
    assert ecr.get_lifecycle_policy(repositoryName="r/s")["lifecyclePolicyText"] == policy
    assert error(ecr.get_repository_policy, repositoryName="r/s")[0] == "RepositoryPolicyNotFoundException"
    ecr.delete_repository(repositoryName="r/s")
    code, message = error(ecr.describe_repositories, repositoryNames=["r/s"])
    assert code == "RepositoryNotFoundException" and account in message


def test_keys_and_aliases(client, error):
    kms = client("kms")
    key = kms.create_key(Description="d")["KeyMetadata"]
    kms.create_alias(AliasName="alias/a", TargetKeyId=key["KeyId"])
    assert kms.describe_key(KeyId="alias/a")["KeyMetadata"]["Arn"] == key["Arn"]
    assert error(kms.create_alias, AliasName="alias/a", TargetKeyId=key["KeyId"])[0] == "AlreadyExistsException"
    kms.enable_key_rotation(KeyId=key["KeyId"])
    assert kms.get_key_rotation_status(KeyId=key["KeyId"])["KeyRotationEnabled"]
    kms.disable_key(KeyId=key["KeyId"])
    assert kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"]["KeyState"] == "Disabled"
    assert kms.schedule_key_deletion(KeyId=key["KeyId"], PendingWindowInDays=7)["KeyState"] == "PendingDeletion"
    assert error(kms.enable_key, KeyId=key["KeyId"])[0] == "KMSInvalidStateException"
    kms.cancel_key_deletion(KeyId=key["KeyId"])
    assert error(kms.describe_key, KeyId="nope")[0] == "NotFoundException"
