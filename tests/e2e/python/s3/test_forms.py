"""Uploads by a form, as browsers send them."""

import re
import urllib.error
import urllib.request
import uuid

import pytest


@pytest.fixture
def s3(client):
    return client("s3")


@pytest.fixture
def bucket(s3, account):
    name = f"form-{account}"
    s3.create_bucket(Bucket=name)
    return name


class Keep(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


def send(url, fields, content, filename="a.txt", context=None):
    """Status, headers and text of the answer."""
    boundary = uuid.uuid4().hex
    body = b""
    for name, value in fields.items():
        body += f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{filename}"\r\n\r\n'
    body += head.encode() + content + f"\r\n--{boundary}--\r\n".encode()
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    request = urllib.request.Request(url, data=body, headers=headers, method="POST")
    handlers = [Keep()] + ([urllib.request.HTTPSHandler(context=context)] if context else [])
    try:
        with urllib.request.build_opener(*handlers).open(request, timeout=30) as answer:
            return answer.status, answer.headers, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read().decode()


def code(answer):
    return re.search("<Code>(.*)</Code>", answer[2])[1]


def test_a_presigned_post_uploads(s3, bucket):
    post = s3.generate_presigned_post(
        bucket,
        "user/${filename}",
        Fields={"Content-Type": "text/plain", "x-amz-meta-who": "me"},
        Conditions=[{"Content-Type": "text/plain"}, {"x-amz-meta-who": "me"}, ["content-length-range", 1, 2_000_000]],
    )
    content = b"x" * 1_000_000 + b"\r\n--not the end"
    status, headers, _ = send(post["url"], post["fields"], content)
    assert status == 204
    found = s3.get_object(Bucket=bucket, Key="user/a.txt")
    assert found["Body"].read() == content
    assert (found["ContentType"], found["Metadata"]) == ("text/plain", {"who": "me"})
    assert headers["ETag"] == found["ETag"]
    assert code(send(post["url"], post["fields"], b"")) == "EntityTooSmall"
    assert code(send(post["url"], post["fields"], b"x" * 2_000_001)) == "EntityTooLarge"
    assert code(send(post["url"], {**post["fields"], "acl": "private"}, b"x")) == "AccessDenied"
    assert code(send(post["url"], {**post["fields"], "key": "other"}, b"x")) == "AccessDenied"
    assert code(send(post["url"].replace(bucket, bucket + "x"), post["fields"], b"x")) == "NoSuchBucket"
    expired = s3.generate_presigned_post(bucket, "k", ExpiresIn=-60)
    assert "Policy expired." in send(expired["url"], expired["fields"], b"x")[2]
    [kept] = s3.list_objects_v2(Bucket=bucket)["Contents"]
    assert kept["Key"] == "user/a.txt"


def test_the_answer_is_as_asked_for(s3, bucket):
    def post(**fields):
        conditions = [{name: value} for name, value in fields.items()]
        return s3.generate_presigned_post(bucket, "a b", Fields=dict(fields), Conditions=conditions)

    created = post(success_action_status="201")
    status, _, text = send(created["url"], created["fields"], b"x")
    assert status == 201 and f"<Bucket>{bucket}</Bucket><Key>a b</Key>" in text
    back = post(success_action_redirect="https://example.com/done")
    status, headers, _ = send(back["url"], back["fields"], b"x")
    assert status == 303
    assert headers["Location"].startswith(f"https://example.com/done?bucket={bucket}&key=a%20b&etag=")


@pytest.mark.parametrize("version", ["s3", "s3v4"])
def test_signatures_are_verified(secure_cloud, version):
    import ssl

    s3 = secure_cloud.client("s3")
    s3.create_bucket(Bucket="forms")
    signer = secure_cloud.client("s3", config={"signature_version": version})
    post = signer.generate_presigned_post("forms", "k")
    context = ssl.create_default_context(cafile=str(secure_cloud.folder / "authority/ca.pem"))
    assert send(post["url"], post["fields"], b"x", context=context)[0] == 204
    name = "signature" if version == "s3" else "x-amz-signature"
    given = post["fields"][name]
    wrong = {**post["fields"], name: ("a" if given[0] != "a" else "b") + given[1:]}
    assert code(send(post["url"], wrong, b"y", context=context)) == "SignatureDoesNotMatch"
    assert code(send(post["url"], {"key": "k"}, b"y", context=context)) == "AccessDenied"
    assert s3.get_object(Bucket="forms", Key="k")["Body"].read() == b"x"
