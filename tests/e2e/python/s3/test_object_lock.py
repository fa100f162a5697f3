"""Object Lock: versions that must not go yet."""

from datetime import datetime, timedelta, timezone

import pytest


@pytest.fixture
def s3(client):
    return client("s3")


@pytest.fixture
def bucket(s3, account):
    name = f"lock-{account}"
    s3.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    return name


def days(count):
    return datetime.now(timezone.utc).replace(microsecond=0) + timedelta(days=count)


def test_a_locked_version_stays(s3, bucket, error):
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    until = days(1)
    put = s3.put_object(
        Bucket=bucket, Key="k", Body=b"1", ObjectLockMode="GOVERNANCE", ObjectLockRetainUntilDate=until
    )
    version = {"Bucket": bucket, "Key": "k", "VersionId": put["VersionId"]}
    head = s3.head_object(**version)
    assert (head["ObjectLockMode"], head["ObjectLockRetainUntilDate"]) == ("GOVERNANCE", until)
    assert s3.get_object_retention(**version)["Retention"] == {"Mode": "GOVERNANCE", "RetainUntilDate": until}
    assert error(s3.delete_object, **version)[0] == "AccessDenied"
    several = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "k", "VersionId": put["VersionId"]}]})
    assert several["Errors"][0]["Code"] == "AccessDenied"
    marker = s3.delete_object(Bucket=bucket, Key="k")
    assert marker["DeleteMarker"] is True
    s3.delete_object(Bucket=bucket, Key="k", VersionId=marker["VersionId"])
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"1"
    s3.delete_object(**version, BypassGovernanceRetention=True)
    assert error(s3.get_object, Bucket=bucket, Key="k")[0] == "NoSuchKey"


def test_retention_grows_and_compliance_is_for_all(s3, bucket, error):
    put = s3.put_object(Bucket=bucket, Key="k", Body=b"1")
    version = {"Bucket": bucket, "Key": "k", "VersionId": put["VersionId"]}
    assert error(s3.get_object_retention, **version)[0] == "NoSuchObjectLockConfiguration"

    def retain(mode, until, **more):
        wanted = {"Mode": mode, "RetainUntilDate": until}
        return dict(**version, Retention=wanted, **more)

    assert error(s3.put_object_retention, **retain("GOVERNANCE", days(-1)))[0] == "InvalidArgument"
    s3.put_object_retention(**retain("GOVERNANCE", days(2)))
    assert error(s3.put_object_retention, **retain("GOVERNANCE", days(1)))[0] == "AccessDenied"
    s3.put_object_retention(**retain("GOVERNANCE", days(1), BypassGovernanceRetention=True))
    s3.put_object_retention(**retain("COMPLIANCE", days(2)))
    bypass = {"BypassGovernanceRetention": True}
    assert error(s3.put_object_retention, **retain("COMPLIANCE", days(1), **bypass))[0] == "AccessDenied"
    assert error(s3.put_object_retention, **retain("GOVERNANCE", days(3), **bypass))[0] == "AccessDenied"
    assert error(s3.delete_object, **version, **bypass)[0] == "AccessDenied"


def test_a_legal_hold_holds_until_it_is_off(s3, bucket, error):
    put = s3.put_object(Bucket=bucket, Key="k", Body=b"1", ObjectLockLegalHoldStatus="ON")
    version = {"Bucket": bucket, "Key": "k", "VersionId": put["VersionId"]}
    assert s3.get_object_legal_hold(**version)["LegalHold"] == {"Status": "ON"}
    assert error(s3.delete_object, **version, BypassGovernanceRetention=True)[0] == "AccessDenied"
    s3.put_object_legal_hold(**version, LegalHold={"Status": "OFF"})
    s3.delete_object(**version)


def test_the_rule_of_a_bucket(s3, bucket, client, account, error):
    rule = {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 3}}
    wanted = {"ObjectLockEnabled": "Enabled", "Rule": rule}
    s3.put_object_lock_configuration(Bucket=bucket, ObjectLockConfiguration=wanted)
    assert s3.get_object_lock_configuration(Bucket=bucket)["ObjectLockConfiguration"] == wanted
    s3.put_object(Bucket=bucket, Key="k", Body=b"1")
    head = s3.head_object(Bucket=bucket, Key="k")
    assert head["ObjectLockMode"] == "COMPLIANCE"
    assert abs(head["ObjectLockRetainUntilDate"] - days(3)) < timedelta(minutes=5)
    s3.copy_object(Bucket=bucket, Key="copy", CopySource=f"{bucket}/k")
    assert s3.head_object(Bucket=bucket, Key="copy")["ObjectLockMode"] == "COMPLIANCE"
    suspended = {"Status": "Suspended"}
    assert error(s3.put_bucket_versioning, Bucket=bucket, VersioningConfiguration=suspended)[0] == "InvalidBucketState"

    plain = f"plain-{account}"
    s3.create_bucket(Bucket=plain)
    assert error(s3.get_object_lock_configuration, Bucket=plain)[0] == "ObjectLockConfigurationNotFoundError"
    assert error(s3.put_object_lock_configuration, Bucket=plain, ObjectLockConfiguration=wanted)[0] == "InvalidBucketState"
    hold = {"Key": "k", "Body": b"", "ObjectLockLegalHoldStatus": "ON"}
    assert error(s3.put_object, Bucket=plain, **hold)[0] == "InvalidRequest"
    assert "Contents" not in s3.list_objects_v2(Bucket=plain)


TEMPLATE = """
Resources:
  Bucket:
    Type: AWS::S3::Bucket
    Properties:
      BucketName: BUCKET
      ObjectLockEnabled: true
      ObjectLockConfiguration:
        ObjectLockEnabled: Enabled
        Rule: {DefaultRetention: {Mode: GOVERNANCE, Days: "5"}}
"""


def test_a_template_locks(deploy, s3, account):
    bucket = f"made-{account}"
    stack = deploy("lock", TEMPLATE.replace("BUCKET", bucket))
    assert stack["StackStatus"] == "CREATE_COMPLETE", stack
    made = s3.get_object_lock_configuration(Bucket=bucket)["ObjectLockConfiguration"]
    assert made["Rule"]["DefaultRetention"] == {"Mode": "GOVERNANCE", "Days": 5}
