"""S3 as boto3 sees it."""

import hashlib
import io
import os
import uuid

import pytest
import requests
from botocore.exceptions import ClientError


@pytest.fixture
def s3(client):
    return client("s3")


@pytest.fixture
def bucket(s3):
    name = f"b-{uuid.uuid4().hex[:20]}"
    s3.create_bucket(Bucket=name)
    return name


def fails(code, status=None):
    class Expect:
        def __enter__(self):
            self.context = pytest.raises(ClientError)
            self.info = self.context.__enter__()
            return self

        def __exit__(self, *args):
            done = self.context.__exit__(*args)
            error = self.info.value.response
            assert error["Error"]["Code"] == code, error
            if status:
                assert error["ResponseMetadata"]["HTTPStatusCode"] == status
            self.error = error["Error"]
            return done

    return Expect()


def test_buckets_are_made_listed_and_deleted(s3, client):
    name = f"b-{uuid.uuid4().hex[:20]}"
    assert s3.create_bucket(Bucket=name)["Location"] == f"/{name}"
    assert s3.create_bucket(Bucket=name)["ResponseMetadata"]["HTTPStatusCode"] == 200
    head = s3.head_bucket(Bucket=name)
    assert head["BucketRegion"] == "us-east-1"
    assert [b["Name"] for b in s3.list_buckets()["Buckets"]] == [name]
    assert s3.get_bucket_location(Bucket=name)["LocationConstraint"] is None
    s3.put_object(Bucket=name, Key="k", Body=b"x")
    with fails("BucketNotEmpty", 409):
        s3.delete_bucket(Bucket=name)
    s3.delete_object(Bucket=name, Key="k")
    s3.delete_bucket(Bucket=name)
    with fails("404", 404):
        s3.head_bucket(Bucket=name)
    with fails("NoSuchBucket", 404) as e:
        s3.get_object(Bucket=name, Key="k")
    assert e.error["BucketName"] == name
    with fails("InvalidBucketName", 400):
        client("s3").create_bucket(Bucket="UpperCase")


def test_a_bucket_has_its_region(client):
    s3 = client("s3", region="eu-west-1")
    name = f"b-{uuid.uuid4().hex[:20]}"
    with fails("IllegalLocationConstraintException", 400):
        s3.create_bucket(Bucket=name)
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    assert s3.get_bucket_location(Bucket=name)["LocationConstraint"] == "eu-west-1"
    with fails("BucketAlreadyOwnedByYou", 409):
        s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})


@pytest.mark.parametrize("size", [0, 10, 5_000, 65_536, 65_537, 3_000_000])
def test_what_is_put_is_got(s3, bucket, size):
    body = os.urandom(size)
    put = s3.put_object(
        Bucket=bucket, Key="dir/ä b+c.txt", Body=body, ContentType="text/plain", CacheControl="max-age=1",
        Metadata={"Colour": "red"}, Tagging="a=1&b=2",
    )
    assert put["ETag"] == f'"{hashlib.md5(body).hexdigest()}"'
    assert put["ServerSideEncryption"] == "AES256"
    got = s3.get_object(Bucket=bucket, Key="dir/ä b+c.txt", ChecksumMode="ENABLED")
    assert got["Body"].read() == body
    assert got["ContentType"] == "text/plain"
    assert got["CacheControl"] == "max-age=1"
    assert got["Metadata"] == {"colour": "red"}
    assert got["TagCount"] == 2
    assert got["ContentLength"] == size
    assert got["ChecksumCRC32"] == put["ChecksumCRC32"]
    assert "VersionId" not in got
    head = s3.head_object(Bucket=bucket, Key="dir/ä b+c.txt")
    assert head["ContentLength"] == size and head["ETag"] == put["ETag"]


def test_a_wrong_checksum_changes_nothing(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"old")
    with fails("BadDigest", 400):
        s3.put_object(Bucket=bucket, Key="k", Body=b"new", ChecksumCRC32="AAAAAA==")
    with fails("BadDigest", 400):
        s3.put_object(Bucket=bucket, Key="k", Body=os.urandom(200_000), ContentMD5="1B2M2Y8AsgTpgAmY7PhCfg==")
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"old"


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "SHA1", "SHA256", "CRC64NVME"])
def test_checksums_are_kept(s3, bucket, algorithm):
    if algorithm in ("CRC32C", "CRC64NVME"):
        pytest.importorskip("awscrt")
    put = s3.put_object(Bucket=bucket, Key="k", Body=b"hello", ChecksumAlgorithm=algorithm)
    head = s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert head[f"Checksum{algorithm}"] == put[f"Checksum{algorithm}"]
    assert head["ChecksumType"] == "FULL_OBJECT"
    listed = s3.list_objects_v2(Bucket=bucket)["Contents"][0]
    assert listed["ChecksumAlgorithm"] == [algorithm]


@pytest.mark.parametrize("size", [100, 20_000, 300_000])
def test_ranges(s3, bucket, size):
    body = os.urandom(size)
    s3.put_object(Bucket=bucket, Key="k", Body=body)
    for header, expected in [
        ("bytes=0-9", body[:10]), ("bytes=90-", body[90:]), ("bytes=-5", body[-5:]), ("bytes=50-999999", body[50:]),
    ]:
        got = s3.get_object(Bucket=bucket, Key="k", Range=header)
        assert got["Body"].read() == expected
        assert got["ContentRange"].endswith(f"/{size}")
        assert got["ResponseMetadata"]["HTTPStatusCode"] == 206
    with fails("InvalidRange", 416) as e:
        s3.get_object(Bucket=bucket, Key="k", Range=f"bytes={size}-")
    assert e.error["ActualObjectSize"] == str(size)


def test_conditions(s3, bucket):
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"x", IfNoneMatch="*")["ETag"]
    with fails("PreconditionFailed", 412):
        s3.put_object(Bucket=bucket, Key="k", Body=b"y", IfNoneMatch="*")
    with fails("PreconditionFailed", 412):
        s3.put_object(Bucket=bucket, Key="k", Body=b"y", IfMatch='"0"')
    with fails("304", 304):
        s3.get_object(Bucket=bucket, Key="k", IfNoneMatch=etag)
    with fails("PreconditionFailed", 412):
        s3.get_object(Bucket=bucket, Key="k", IfMatch='"0"')
    with fails("412", 412):
        s3.head_object(Bucket=bucket, Key="k", IfMatch='"0"')
    modified = s3.get_object(Bucket=bucket, Key="k", IfMatch=etag)["LastModified"]
    with fails("304", 304):
        s3.get_object(Bucket=bucket, Key="k", IfModifiedSince=modified)
    s3.put_object(Bucket=bucket, Key="k", Body=b"y", IfMatch=etag)
    with fails("NoSuchKey", 404):
        s3.put_object(Bucket=bucket, Key="nothing", Body=b"y", IfMatch=etag)


def test_response_headers_can_be_overridden(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    got = s3.get_object(
        Bucket=bucket, Key="k", ResponseContentType="text/css", ResponseContentDisposition="attachment",
        ResponseCacheControl="no-store", ResponseContentLanguage="de", ResponseContentEncoding="identity",
    )
    assert got["ContentType"] == "text/css" and got["ContentDisposition"] == "attachment"
    assert got["CacheControl"] == "no-store" and got["ContentLanguage"] == "de"


def test_presigned_urls(s3, bucket):
    url = s3.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "k"})
    assert requests.put(url, data=b"hello").status_code == 200
    url = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"})
    assert requests.get(url).content == b"hello"
    part = requests.get(url, headers={"range": "bytes=1-2"})
    assert (part.status_code, part.content) == (206, b"el")


def keys(page):
    return [o["Key"] for o in page.get("Contents", [])], [p["Prefix"] for p in page.get("CommonPrefixes", [])]


def test_lists_with_prefixes_and_delimiters(s3, bucket):
    names = ["a", "dir/1", "dir/2", "dir/sub/3", "dir0", "e/f", "z z+ä"]
    for name in names:
        s3.put_object(Bucket=bucket, Key=name, Body=b"x")
    page = s3.list_objects_v2(Bucket=bucket)
    assert keys(page) == (sorted(names), [])
    assert page["KeyCount"] == 7 and not page["IsTruncated"]
    assert keys(s3.list_objects_v2(Bucket=bucket, Delimiter="/")) == (["a", "dir0", "z z+ä"], ["dir/", "e/"])
    assert keys(s3.list_objects_v2(Bucket=bucket, Prefix="dir/", Delimiter="/")) == (["dir/1", "dir/2"], ["dir/sub/"])
    assert keys(s3.list_objects_v2(Bucket=bucket, StartAfter="dir/2"))[0] == ["dir/sub/3", "dir0", "e/f", "z z+ä"]
    assert keys(s3.list_objects(Bucket=bucket, Prefix="dir/", Delimiter="/", Marker="dir/2")) == ([], ["dir/sub/"])
    assert keys(s3.list_objects(Bucket=bucket, Delimiter="/", Marker="dir/1")) == (["dir0", "z z+ä"], ["e/"])
    with fails("InvalidArgument", 400):
        s3.list_objects_v2(Bucket=bucket, ContinuationToken="nonsense!")


def test_lists_go_on_where_they_ended(s3, bucket):
    for i in range(25):
        s3.put_object(Bucket=bucket, Key=f"d{i % 5}/k{i:02}", Body=b"")
    for operation in ["list_objects_v2", "list_objects"]:
        for delimiter in ["", "/"]:
            pages = s3.get_paginator(operation).paginate(
                Bucket=bucket, Delimiter=delimiter, PaginationConfig={"PageSize": 2})
            found = [keys(page) for page in pages]
            names = [k for page in found for k in page[0]]
            prefixes = [p for page in found for p in page[1]]
            if delimiter:
                assert (names, prefixes) == ([], [f"d{i}/" for i in range(5)])
            else:
                assert len(names) == 25 and names == sorted(names)


def test_objects_are_copied(s3, bucket):
    body = os.urandom(100_000)
    s3.put_object(Bucket=bucket, Key="a b", Body=body, Metadata={"x": "1"}, Tagging="t=1", ContentType="text/plain")
    copy = s3.copy_object(Bucket=bucket, Key="c", CopySource={"Bucket": bucket, "Key": "a b"})
    assert copy["CopyObjectResult"]["ETag"] == f'"{hashlib.md5(body).hexdigest()}"'
    got = s3.get_object(Bucket=bucket, Key="c")
    assert got["Metadata"] == {"x": "1"} and got["TagCount"] == 1 and got["ContentType"] == "text/plain"
    s3.delete_object(Bucket=bucket, Key="a b")
    assert s3.get_object(Bucket=bucket, Key="c")["Body"].read() == body
    with fails("InvalidRequest", 400):
        s3.copy_object(Bucket=bucket, Key="c", CopySource={"Bucket": bucket, "Key": "c"})
    s3.copy_object(Bucket=bucket, Key="c", CopySource={"Bucket": bucket, "Key": "c"},
                   MetadataDirective="REPLACE", Metadata={"y": "2"})
    assert s3.head_object(Bucket=bucket, Key="c")["Metadata"] == {"y": "2"}
    with fails("NoSuchKey", 404):
        s3.copy_object(Bucket=bucket, Key="d", CopySource={"Bucket": bucket, "Key": "nothing"})
    with fails("PreconditionFailed", 412):
        s3.copy_object(Bucket=bucket, Key="d", CopySource={"Bucket": bucket, "Key": "c"}, CopySourceIfMatch="x")


def test_many_are_deleted_at_once(s3, bucket):
    for i in range(5):
        s3.put_object(Bucket=bucket, Key=f"k{i}", Body=b"x")
    objects = [{"Key": f"k{i}"} for i in range(4)] + [{"Key": "nothing"}]
    answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": objects})
    assert {d["Key"] for d in answer["Deleted"]} == {"k0", "k1", "k2", "k3", "nothing"}
    assert keys(s3.list_objects_v2(Bucket=bucket))[0] == ["k4"]
    assert "Deleted" not in s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "k4"}], "Quiet": True})


def test_versions(s3, bucket):
    assert "Status" not in s3.get_bucket_versioning(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="k", Body=b"0")
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    v1 = s3.put_object(Bucket=bucket, Key="k", Body=b"1")["VersionId"]
    v2 = s3.put_object(Bucket=bucket, Key="k", Body=b"2")["VersionId"]
    assert s3.get_object(Bucket=bucket, Key="k")["VersionId"] == v2
    assert s3.get_object(Bucket=bucket, Key="k", VersionId=v1)["Body"].read() == b"1"
    assert s3.get_object(Bucket=bucket, Key="k", VersionId="null")["Body"].read() == b"0"
    deleted = s3.delete_object(Bucket=bucket, Key="k")
    assert deleted["DeleteMarker"] is True
    with fails("NoSuchKey", 404):
        s3.get_object(Bucket=bucket, Key="k")
    with fails("MethodNotAllowed", 405):
        s3.get_object(Bucket=bucket, Key="k", VersionId=deleted["VersionId"])
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)
    listed = s3.list_object_versions(Bucket=bucket)
    assert [v["VersionId"] for v in listed["Versions"]] == [v2, v1, "null"]
    assert [m["IsLatest"] for m in listed["DeleteMarkers"]] == [True]
    with fails("BucketNotEmpty", 409):
        s3.delete_bucket(Bucket=bucket)
    again = s3.delete_object(Bucket=bucket, Key="k", VersionId=deleted["VersionId"])
    assert again["DeleteMarker"] is True
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"2"
    s3.delete_object(Bucket=bucket, Key="k", VersionId=v2)
    assert s3.get_object(Bucket=bucket, Key="k")["VersionId"] == v1
    s3.delete_object(Bucket=bucket, Key="k", VersionId=v1)
    assert s3.get_object(Bucket=bucket, Key="k")["VersionId"] == "null"
    with fails("InvalidArgument", 400):
        s3.get_object(Bucket=bucket, Key="k", VersionId="made-up")
    with fails("NoSuchVersion", 404):
        s3.get_object(Bucket=bucket, Key="k", VersionId=v1)
    s3.delete_object(Bucket=bucket, Key="k", VersionId="null")
    s3.delete_bucket(Bucket=bucket)


def test_suspended_versioning_overwrites_the_null_version(s3, bucket):
    enable = lambda status: s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": status})
    enable("Enabled")
    v1 = s3.put_object(Bucket=bucket, Key="k", Body=b"1")["VersionId"]
    enable("Suspended")
    assert "VersionId" not in s3.put_object(Bucket=bucket, Key="k", Body=b"a")
    s3.put_object(Bucket=bucket, Key="k", Body=b"b")
    versions = lambda: [v["VersionId"] for v in s3.list_object_versions(Bucket=bucket)["Versions"]]
    assert versions() == ["null", v1]
    enable("Enabled")
    v2 = s3.put_object(Bucket=bucket, Key="k", Body=b"2")["VersionId"]
    assert versions() == [v2, "null", v1]
    enable("Suspended")
    marker = s3.delete_object(Bucket=bucket, Key="k")
    assert marker["VersionId"] == "null" and marker["DeleteMarker"]
    assert versions() == [v2, v1]


def test_versions_are_paged(s3, bucket):
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    for key in ["a", "d/1", "d/2", "z"]:
        for i in range(3):
            s3.put_object(Bucket=bucket, Key=key, Body=str(i).encode())
    pages = s3.get_paginator("list_object_versions").paginate(Bucket=bucket, PaginationConfig={"PageSize": 2})
    found = [(v["Key"], v["IsLatest"]) for page in pages for v in page.get("Versions", [])]
    assert found == [(k, i == 0) for k in ["a", "d/1", "d/2", "z"] for i in range(3)]
    pages = s3.get_paginator("list_object_versions").paginate(
        Bucket=bucket, Delimiter="/", PaginationConfig={"PageSize": 2})
    pages = list(pages)
    assert [p["Prefix"] for page in pages for p in page.get("CommonPrefixes", [])] == ["d/"]
    assert [v["Key"] for page in pages for v in page.get("Versions", [])] == ["a"] * 3 + ["z"] * 3


def test_the_configuration_of_buckets(s3, bucket):
    default = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]
    assert default["Rules"][0]["ApplyServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "arn:aws:kms:us-east-1:000000000000:key/x"}}
    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [rule]})
    put = s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    assert put["ServerSideEncryption"] == "aws:kms" and put["SSEKMSKeyId"].endswith("key/x")
    s3.delete_bucket_encryption(Bucket=bucket)

    assert all(s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"].values())
    s3.delete_public_access_block(Bucket=bucket)
    with fails("NoSuchPublicAccessBlockConfiguration", 404):
        s3.get_public_access_block(Bucket=bucket)
    with fails("NoSuchBucketPolicy", 404):
        s3.get_bucket_policy(Bucket=bucket)
    policy = '{"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "*"}]}'
    s3.put_bucket_policy(Bucket=bucket, Policy=policy)
    assert s3.get_bucket_policy(Bucket=bucket)["Policy"] == policy
    s3.delete_bucket_policy(Bucket=bucket)
    with fails("MalformedPolicy", 400):
        s3.put_bucket_policy(Bucket=bucket, Policy="[]")

    with fails("NoSuchTagSet", 404):
        s3.get_bucket_tagging(Bucket=bucket)
    s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    assert s3.get_bucket_tagging(Bucket=bucket)["TagSet"] == [{"Key": "a", "Value": "b"}]
    s3.delete_bucket_tagging(Bucket=bucket)

    cors = {"CORSRules": [{"AllowedMethods": ["GET"], "AllowedOrigins": ["http://a.example"], "MaxAgeSeconds": 60}]}
    with fails("NoSuchCORSConfiguration", 404):
        s3.get_bucket_cors(Bucket=bucket)
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration=cors)
    assert s3.get_bucket_cors(Bucket=bucket)["CORSRules"] == cors["CORSRules"]
    s3.delete_bucket_cors(Bucket=bucket)

    rules = [{"ID": "r", "Status": "Enabled", "Filter": {"Prefix": "tmp/"}, "Expiration": {"Days": 1}}]
    with fails("NoSuchLifecycleConfiguration", 404):
        s3.get_bucket_lifecycle_configuration(Bucket=bucket)
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": rules})
    assert s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"] == rules
    s3.delete_bucket_lifecycle(Bucket=bucket)

    controls = s3.get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"]
    assert controls == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    with fails("AccessControlListNotSupported", 400):
        s3.put_bucket_acl(Bucket=bucket, ACL="public-read")
    s3.put_bucket_ownership_controls(
        Bucket=bucket, OwnershipControls={"Rules": [{"ObjectOwnership": "BucketOwnerPreferred"}]})
    s3.put_bucket_acl(Bucket=bucket, ACL="public-read")
    grants = s3.get_bucket_acl(Bucket=bucket)["Grants"]
    assert [g["Permission"] for g in grants] == ["FULL_CONTROL", "READ"]


def test_accounts_do_not_see_each_other(s3, bucket, cloud):
    other = cloud.client("s3", "999999999999")
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    with fails("AccessDenied", 403):
        other.get_object(Bucket=bucket, Key="k")
    with fails("BucketAlreadyExists", 409):
        other.create_bucket(Bucket=bucket)
    policy = f'{{"Statement": {{"Effect": "Allow", "Principal": {{"AWS": "999999999999"}}, "Action": "s3:GetObject", "Resource": "arn:aws:s3:::{bucket}/*"}}}}'
    s3.put_bucket_policy(Bucket=bucket, Policy=policy)
    assert other.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"
    with fails("AccessDenied", 403):
        other.put_object(Bucket=bucket, Key="k", Body=b"y")


def test_object_tags(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", Tagging="a=1")
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == [{"Key": "a", "Value": "1"}]
    s3.put_object_tagging(Bucket=bucket, Key="k", Tagging={"TagSet": [{"Key": "b", "Value": "2"}]})
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == [{"Key": "b", "Value": "2"}]
    s3.delete_object_tagging(Bucket=bucket, Key="k")
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == []
    with fails("InvalidArgument", 400):
        s3.put_object(Bucket=bucket, Key="k", Body=b"x", Tagging="a=1&a=2")


MB = 1 << 20


def upload(s3, bucket, key, bodies, **more):
    id = s3.create_multipart_upload(Bucket=bucket, Key=key, **more)["UploadId"]
    parts = []
    for number, body in enumerate(bodies, 1):
        part = s3.upload_part(Bucket=bucket, Key=key, UploadId=id, PartNumber=number, Body=body)
        parts.append({"PartNumber": number, "ETag": part["ETag"]})
    return id, parts


def test_objects_are_uploaded_in_parts(s3, bucket):
    bodies = [os.urandom(5 * MB), os.urandom(5 * MB + 1), b"end"]
    id, parts = upload(s3, bucket, "k", bodies, ContentType="text/plain", Metadata={"a": "b"}, Tagging="t=1")
    listed = s3.list_parts(Bucket=bucket, Key="k", UploadId=id)
    assert [(p["PartNumber"], p["Size"]) for p in listed["Parts"]] == [(1, 5 * MB), (2, 5 * MB + 1), (3, 3)]
    uploads = s3.list_multipart_uploads(Bucket=bucket)["Uploads"]
    assert [(u["Key"], u["UploadId"]) for u in uploads] == [("k", id)]
    done = s3.complete_multipart_upload(Bucket=bucket, Key="k", UploadId=id, MultipartUpload={"Parts": parts})
    digest = hashlib.md5(b"".join(hashlib.md5(b).digest() for b in bodies)).hexdigest()
    assert done["ETag"] == f'"{digest}-3"'
    body = b"".join(bodies)
    got = s3.get_object(Bucket=bucket, Key="k")
    assert got["Body"].read() == body
    assert got["ContentType"] == "text/plain" and got["Metadata"] == {"a": "b"} and got["TagCount"] == 1
    part = s3.get_object(Bucket=bucket, Key="k", Range=f"bytes={5 * MB - 10}-{10 * MB + 2}")
    assert part["Body"].read() == body[5 * MB - 10:10 * MB + 3]
    third = s3.get_object(Bucket=bucket, Key="k", PartNumber=3)
    assert third["Body"].read() == b"end" and third["PartsCount"] == 3
    with fails("InvalidPartNumber", 416):
        s3.get_object(Bucket=bucket, Key="k", PartNumber=4)
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)
    with fails("NoSuchUpload", 404):
        s3.list_parts(Bucket=bucket, Key="k", UploadId=id)
    attributes = s3.get_object_attributes(
        Bucket=bucket, Key="k", ObjectAttributes=["ETag", "ObjectSize", "ObjectParts", "StorageClass", "Checksum"])
    assert attributes["ETag"] == f"{digest}-3" and attributes["ObjectSize"] == len(body)
    assert attributes["ObjectParts"]["TotalPartsCount"] == 3
    copy = s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "k"})
    assert copy["CopyObjectResult"]["ETag"] == f'"{hashlib.md5(body).hexdigest()}"'
    s3.delete_object(Bucket=bucket, Key="k")
    assert s3.get_object(Bucket=bucket, Key="copy")["Body"].read() == body


def test_wrong_parts_are_refused(s3, bucket):
    id, parts = upload(s3, bucket, "k", [b"small", b"end"])
    complete = lambda parts: s3.complete_multipart_upload(
        Bucket=bucket, Key="k", UploadId=id, MultipartUpload={"Parts": parts})
    with fails("EntityTooSmall", 400):
        complete(parts)
    with fails("InvalidPartOrder", 400):
        complete(parts[::-1])
    with fails("InvalidPart", 400):
        complete([{"PartNumber": 1, "ETag": '"0"'}])
    with fails("InvalidPart", 400):
        complete([{"PartNumber": 9, "ETag": '"0"'}])
    with fails("MalformedXML", 400):
        complete([])
    with fails("404", 404):
        s3.head_object(Bucket=bucket, Key="k")
    complete(parts[1:])
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"end"


def test_uploads_are_aborted(s3, bucket):
    id, _ = upload(s3, bucket, "k", [b"x"])
    s3.abort_multipart_upload(Bucket=bucket, Key="k", UploadId=id)
    with fails("NoSuchUpload", 404):
        s3.upload_part(Bucket=bucket, Key="k", UploadId=id, PartNumber=1, Body=b"x")
    with fails("NoSuchUpload", 404):
        s3.abort_multipart_upload(Bucket=bucket, Key="k", UploadId="made-up")
    s3.delete_bucket(Bucket=bucket)


def test_parts_are_copied(s3, bucket):
    body = os.urandom(6 * MB)
    s3.put_object(Bucket=bucket, Key="src", Body=body)
    id = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    source = {"Bucket": bucket, "Key": "src"}
    copy = lambda number, range: s3.upload_part_copy(
        Bucket=bucket, Key="k", UploadId=id, PartNumber=number, CopySource=source, CopySourceRange=range)
    one = copy(1, f"bytes=0-{5 * MB - 1}")["CopyPartResult"]
    two = copy(2, "bytes=1-5")["CopyPartResult"]
    assert one["ETag"] == f'"{hashlib.md5(body[:5 * MB]).hexdigest()}"'
    for range in ["0-8", "bytes=1-0", "bytes=-1", "bytes=1-"]:
        with fails("InvalidArgument", 400):
            copy(3, range)
    parts = [{"PartNumber": 1, "ETag": one["ETag"]}, {"PartNumber": 2, "ETag": two["ETag"]}]
    s3.complete_multipart_upload(Bucket=bucket, Key="k", UploadId=id, MultipartUpload={"Parts": parts})
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == body[:5 * MB] + body[1:6]


def test_composite_checksums(s3, bucket):
    id = s3.create_multipart_upload(Bucket=bucket, Key="k", ChecksumAlgorithm="SHA256")["UploadId"]
    part = s3.upload_part(Bucket=bucket, Key="k", UploadId=id, PartNumber=1, Body=b"x", ChecksumAlgorithm="SHA256")
    parts = [{"PartNumber": 1, "ETag": part["ETag"], "ChecksumSHA256": part["ChecksumSHA256"]}]
    with fails("InvalidRequest", 400):
        s3.complete_multipart_upload(
            Bucket=bucket, Key="k", UploadId=id, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]})
    done = s3.complete_multipart_upload(Bucket=bucket, Key="k", UploadId=id, MultipartUpload={"Parts": parts})
    assert done["ChecksumSHA256"].endswith("-1") and done["ChecksumType"] == "COMPOSITE"
    head = s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert head["ChecksumSHA256"] == done["ChecksumSHA256"]


def test_a_transfer_of_many_parts_at_once(s3, bucket):
    body = os.urandom(40 * MB)
    s3.upload_fileobj(io.BytesIO(body), bucket, "big")
    out = io.BytesIO()
    s3.download_fileobj(bucket, "big", out)
    assert out.getvalue() == body


def test_preflight_requests_follow_the_rules_of_the_bucket(s3, bucket):
    url = f"{s3.meta.endpoint_url}/{bucket}/k"
    ask = {"origin": "http://a.example", "access-control-request-method": "PUT"}
    assert requests.options(url, headers=ask).status_code == 403
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [{
        "AllowedMethods": ["PUT"], "AllowedOrigins": ["http://*.example"], "AllowedHeaders": ["x-*"],
        "ExposeHeaders": ["ETag"], "MaxAgeSeconds": 60}]})
    answer = requests.options(url, headers={**ask, "access-control-request-headers": "X-Foo"})
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "http://a.example"
    assert answer.headers["access-control-allow-methods"] == "PUT"
    assert answer.headers["access-control-max-age"] == "60"
    assert requests.options(url, headers={**ask, "origin": "http://a.test"}).status_code == 403
    assert requests.options(url, headers={**ask, "access-control-request-method": "GET"}).status_code == 403
    assert requests.options(url).status_code == 400


def test_a_stack_makes_a_bucket(client):
    cf, s3 = client("cloudformation"), client("s3")
    template = """
Resources:
  Data:
    Type: AWS::S3::Bucket
    Properties:
      AccessControl: Private
      BucketEncryption:
        ServerSideEncryptionConfiguration:
          - ServerSideEncryptionByDefault: {SSEAlgorithm: AES256}
      VersioningConfiguration: {Status: Enabled}
      PublicAccessBlockConfiguration: {BlockPublicAcls: true, BlockPublicPolicy: true, IgnorePublicAcls: true, RestrictPublicBuckets: true}
      LifecycleConfiguration:
        Rules:
          - {Id: Old, Status: Enabled, NoncurrentVersionExpiration: {NoncurrentDays: 30}}
      Tags: [{Key: team, Value: blue}]
  Policy:
    Type: AWS::S3::BucketPolicy
    Properties:
      Bucket: !Ref Data
      PolicyDocument:
        Statement:
          - {Effect: Deny, Principal: '*', Action: 's3:*', Resource: !Sub '${Data.Arn}/*', Condition: {Bool: {'aws:SecureTransport': 'false'}}}
Outputs:
  Name: {Value: !Ref Data}
  Domain: {Value: !GetAtt Data.RegionalDomainName}
"""
    cf.create_stack(StackName="s", TemplateBody=template)
    cf.get_waiter("stack_create_complete").wait(StackName="s", WaiterConfig={"Delay": 0.2, "MaxAttempts": 100})
    outputs = {o["OutputKey"]: o["OutputValue"] for o in cf.describe_stacks(StackName="s")["Stacks"][0]["Outputs"]}
    name = outputs["Name"]
    assert name.startswith("s-data-") and outputs["Domain"] == f"{name}.s3.us-east-1.amazonaws.com"
    assert s3.get_bucket_versioning(Bucket=name)["Status"] == "Enabled"
    assert {"Key": "team", "Value": "blue"} in s3.get_bucket_tagging(Bucket=name)["TagSet"]
    assert "SecureTransport" in s3.get_bucket_policy(Bucket=name)["Policy"]
    assert s3.get_bucket_lifecycle_configuration(Bucket=name)["Rules"][0]["ID"] == "Old"
    cf.delete_stack(StackName="s")
    cf.get_waiter("stack_delete_complete").wait(StackName="s", WaiterConfig={"Delay": 0.2, "MaxAttempts": 100})
    with fails("404", 404):
        s3.head_bucket(Bucket=name)


def test_what_is_acknowledged_survives_a_kill(new_cloud):
    cloud = new_cloud().start()
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="kept")
    s3.put_bucket_versioning(Bucket="kept", VersioningConfiguration={"Status": "Enabled"})
    bodies = {f"k{size}": os.urandom(size) for size in [10, 20_000, 300_000]}
    for key, body in bodies.items():
        s3.put_object(Bucket="kept", Key=key, Body=b"old")
        s3.put_object(Bucket="kept", Key=key, Body=body)
    id, parts = upload(s3, "kept", "parts", [os.urandom(5 * MB), b"end"])
    cloud.kill()
    cloud.start()
    s3 = cloud.client("s3")
    for key, body in bodies.items():
        assert s3.get_object(Bucket="kept", Key=key)["Body"].read() == body
    assert len(s3.list_object_versions(Bucket="kept")["Versions"]) == 2 * len(bodies)
    s3.complete_multipart_upload(Bucket="kept", Key="parts", UploadId=id, MultipartUpload={"Parts": parts})
    cloud.kill()
    cloud.start()
    assert cloud.client("s3").head_object(Bucket="kept", Key="parts")["ContentLength"] == 5 * MB + 3
