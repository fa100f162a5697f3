"""What tools ask of every bucket and object, set or not."""

import json

import pytest


@pytest.fixture
def s3(client):
    return client("s3")


@pytest.fixture
def bucket(s3, account):
    name = f"asked-{account}"
    s3.create_bucket(Bucket=name)
    return name


def test_what_nobody_set(s3, bucket, error):
    assert "Status" not in s3.get_bucket_accelerate_configuration(Bucket=bucket)
    assert s3.get_bucket_request_payment(Bucket=bucket)["Payer"] == "BucketOwner"
    assert error(s3.get_bucket_replication, Bucket=bucket)[0] == "ReplicationConfigurationNotFoundError"
    assert "LoggingEnabled" not in s3.get_bucket_logging(Bucket=bucket)
    assert error(s3.get_bucket_replication, Bucket=bucket + "x")[0] == "NoSuchBucket"


def test_logging_is_kept(s3, bucket, account, error):
    logs = f"logs-{account}"
    wanted = {"LoggingEnabled": {"TargetBucket": logs, "TargetPrefix": "a/"}}
    put = {"Bucket": bucket, "BucketLoggingStatus": wanted}
    assert error(s3.put_bucket_logging, **put)[0] == "InvalidTargetBucketForLogging"
    s3.create_bucket(Bucket=logs)
    s3.put_bucket_logging(**put)
    assert s3.get_bucket_logging(Bucket=bucket)["LoggingEnabled"] == wanted["LoggingEnabled"]
    s3.put_bucket_logging(Bucket=bucket, BucketLoggingStatus={})
    assert "LoggingEnabled" not in s3.get_bucket_logging(Bucket=bucket)


def test_a_policy_is_public_or_not(s3, bucket, account, error):
    assert error(s3.get_bucket_policy_status, Bucket=bucket)[0] == "NoSuchBucketPolicy"
    for principal, is_public in [({"AWS": account}, False), ("*", True)]:
        statement = {
            "Effect": "Allow",
            "Principal": principal,
            "Action": "s3:GetObject",
            "Resource": f"arn:aws:s3:::{bucket}/*",
        }
        s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Statement": [statement]}))
        assert s3.get_bucket_policy_status(Bucket=bucket)["PolicyStatus"] == {"IsPublic": is_public}


def test_objects_are_the_owners(s3, bucket, error):
    assert error(s3.get_object_acl, Bucket=bucket, Key="k")[0] == "NoSuchKey"
    s3.put_object(Bucket=bucket, Key="k", Body=b"")
    acl = s3.get_object_acl(Bucket=bucket, Key="k")
    [grant] = acl["Grants"]
    assert grant["Permission"] == "FULL_CONTROL" and grant["Grantee"]["ID"] == acl["Owner"]["ID"]
    s3.put_object_acl(Bucket=bucket, Key="k", ACL="bucket-owner-full-control")
    public = {"Bucket": bucket, "Key": "k", "ACL": "public-read"}
    assert error(s3.put_object_acl, **public)[0] == "AccessControlListNotSupported"
