"""The parameter store beyond plain values: secure strings, labels, filters, policies, secrets read as parameters."""

import json

from support.test_clock import until
from test_cli import run


def test_secure_strings_are_sealed(client, error):
    ssm, kms = client("ssm"), client("kms")
    ssm.put_parameter(Name="/s", Value="secret", Type="SecureString")
    closed = ssm.get_parameter(Name="/s")["Parameter"]
    assert closed["Type"] == "SecureString" and "secret" not in closed["Value"]
    assert ssm.get_parameter(Name="/s", WithDecryption=True)["Parameter"]["Value"] == "secret"
    assert ssm.describe_parameters()["Parameters"][0]["KeyId"] == "alias/aws/ssm"
    ssm.put_parameter(Name="/s", Value="other", Overwrite=True)
    assert [p["Value"] for p in ssm.get_parameter_history(Name="/s", WithDecryption=True)["Parameters"]] == ["secret", "other"]
    assert ssm.get_parameters_by_path(Path="/", WithDecryption=True)["Parameters"][0]["Value"] == "other"
    assert ssm.get_parameters(Names=["/s:1"], WithDecryption=True)["Parameters"][0]["Value"] == "secret"

    long = "x" * 8000
    ssm.put_parameter(Name="/long", Value=long, Type="SecureString", Tier="Advanced")
    assert ssm.get_parameter(Name="/long", WithDecryption=True)["Parameter"]["Value"] == long

    key = kms.create_key()["KeyMetadata"]["KeyId"]
    ssm.put_parameter(Name="/own", Value="mine", Type="SecureString", KeyId=key)
    assert ssm.get_parameter(Name="/own", WithDecryption=True)["Parameter"]["Value"] == "mine"
    kms.disable_key(KeyId=key)
    code, message = error(ssm.get_parameter, Name="/own", WithDecryption=True)
    assert code == "InvalidKeyId" and "disabled" in message
    assert error(ssm.put_parameter, Name="/none", Value="x", Type="SecureString", KeyId="alias/none")[0] == "InvalidKeyId"
    assert error(ssm.get_parameter, Name="/none")[0] == "ParameterNotFound"


def test_labels_name_versions(client, error):
    ssm = client("ssm")
    for value in ["one", "two", "three"]:
        ssm.put_parameter(Name="/l", Value=value, Type="String", Overwrite=True)
    assert ssm.label_parameter_version(Name="/l", ParameterVersion=1, Labels=["good", "1bad"])["InvalidLabels"] == ["1bad"]
    got = ssm.get_parameter(Name="/l:good")["Parameter"]
    assert (got["Value"], got["Selector"]) == ("one", ":good")
    ssm.label_parameter_version(Name="/l", Labels=["good"])
    assert ssm.get_parameter(Name="/l:good")["Parameter"]["Value"] == "three"
    assert [p["Labels"] for p in ssm.get_parameter_history(Name="/l")["Parameters"]] == [[], [], ["good"]]
    ssm.label_parameter_version(Name="/l", ParameterVersion=2, Labels=["old"])
    labelled = ssm.get_parameters_by_path(Path="/", ParameterFilters=[{"Key": "Label", "Values": ["old"]}])
    assert [p["Value"] for p in labelled["Parameters"]] == ["two"]
    gone = ssm.unlabel_parameter_version(Name="/l", ParameterVersion=3, Labels=["good", "none"])
    assert gone["RemovedLabels"] == ["good"] and gone["InvalidLabels"] == ["none"]
    assert error(ssm.get_parameter, Name="/l:good")[0] == "ParameterVersionNotFound"
    assert error(ssm.label_parameter_version, Name="/l", ParameterVersion=9, Labels=["x"])[0] == "ParameterVersionNotFound"
    assert error(ssm.label_parameter_version, Name="/l", Labels=[f"l{i}" for i in range(11)])[0] in ("ParameterVersionLabelLimitExceeded", "ValidationException")
    page = ssm.get_parameter_history(Name="/l", MaxResults=2)
    assert len(page["Parameters"]) == 2
    assert [p["Version"] for p in ssm.get_parameter_history(Name="/l", NextToken=page["NextToken"])["Parameters"]] == [3]


def test_filters(client, error):
    ssm = client("ssm")
    ssm.put_parameter(Name="/a/b", Value="1", Type="String", Tags=[{"Key": "of", "Value": "x"}])
    ssm.put_parameter(Name="/a/b/c", Value="1,2", Type="StringList")
    ssm.put_parameter(Name="/d", Value="1", Type="String", Tier="Advanced")

    def found(key, *values, **option):
        filters = [{"Key": key, "Values": list(values), **option}]
        return [p["Name"] for p in ssm.describe_parameters(ParameterFilters=filters)["Parameters"]]

    assert found("Path", "/a") == ["/a/b"]
    assert found("Path", "/a", Option="Recursive") == ["/a/b", "/a/b/c"]
    assert found("Name", "b", Option="Contains") == ["/a/b", "/a/b/c"]
    assert found("Type", "StringList") == ["/a/b/c"]
    assert found("Tier", "Advanced") == ["/d"]
    assert found("tag:of", "x") == ["/a/b"]
    listed = ssm.get_parameters_by_path(Path="/a", Recursive=True, ParameterFilters=[{"Key": "Type", "Values": ["String"]}])
    assert [p["Name"] for p in listed["Parameters"]] == ["/a/b"]
    refused = error(ssm.get_parameters_by_path, Path="/a", ParameterFilters=[{"Key": "Name", "Values": ["x"]}])
    assert refused[0] == "InvalidFilterKey"
    pages = ssm.get_paginator("get_parameters_by_path").paginate(Path="/", Recursive=True, PaginationConfig={"PageSize": 1})
    assert [p["Name"] for page in pages for p in page["Parameters"]] == ["/a/b", "/a/b/c", "/d"]


def test_a_policy_has_a_parameter_deleted(new_cloud, error):
    own = new_cloud().start()
    ssm = own.client("ssm")
    policy = [{"Type": "Expiration", "Version": "1.0", "Attributes": {"Timestamp": "2999-01-01T00:00:00.000Z"}}]
    assert error(ssm.put_parameter, Name="p", Value="x", Type="String", Policies=json.dumps(policy))[0] == "ValidationException"
    ssm.put_parameter(Name="far", Value="x", Type="String", Tier="Advanced", Policies=json.dumps(policy))
    shown = ssm.describe_parameters()["Parameters"][0]
    assert shown["Policies"][0]["PolicyType"] == "Expiration" and shown["Tier"] == "Advanced"
    soon = ssm.get_parameter(Name="far")["Parameter"]["LastModifiedDate"].timestamp() + 86400
    import datetime

    policy[0]["Attributes"]["Timestamp"] = datetime.datetime.fromtimestamp(soon, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    ssm.put_parameter(Name="near", Value="x", Type="String", Tier="Intelligent-Tiering", Policies=json.dumps(policy))
    run(own, "time", "advance", "2d")
    until(lambda: [p["Name"] for p in own.client("ssm").describe_parameters()["Parameters"]] == ["far"])


def test_secrets_are_read_as_parameters(client, error):
    ssm, secrets = client("ssm"), client("secretsmanager")
    made = secrets.create_secret(Name="app/x", SecretString="shh")
    name = "/aws/reference/secretsmanager/app/x"
    got = ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"]
    assert (got["Value"], got["Type"]) == ("shh", "SecureString")
    assert json.loads(got["SourceResult"])["ARN"] == made["ARN"]
    assert ssm.get_parameter(Name=f"{name}:{made['VersionId']}", WithDecryption=True)["Parameter"]["Value"] == "shh"
    assert error(ssm.get_parameter, Name=name)[0] == "ValidationException"
    assert error(ssm.get_parameter, Name=name + "nope", WithDecryption=True)[0] == "ParameterNotFound"


def test_templates_read_secure_strings(client, deploy):
    ssm = client("ssm")
    ssm.put_parameter(Name="/pw", Value="shh", Type="SecureString")
    secret = {"Type": "AWS::SecretsManager::Secret", "Properties": {"Name": "copy", "SecretString": "{{resolve:ssm-secure:/pw:1}}"}}
    deploy("s", {"Resources": {"S": secret}})
    assert client("secretsmanager").get_secret_value(SecretId="copy")["SecretString"] == "shh"
