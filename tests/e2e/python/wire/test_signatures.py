"""Needs a server in echo and secure mode at `UNDERCAST_SECURE_URL`, and a key that it knows in
`AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`. botocore signs, the server verifies."""

import os
import urllib.error
import urllib.request

import botocore.config
import botocore.exceptions
import botocore.session
import pytest

import roundtrip

URL = os.environ.get("UNDERCAST_SECURE_URL")
KEY = os.environ.get("AWS_ACCESS_KEY_ID", "")
SECRET = os.environ.get("AWS_SECRET_ACCESS_KEY", "")
KEYS = ["plain", "a b+c/d?e&f=g~'(x)!*", "../x/./y//z", "\u00e9\u4e16/\U0001f600", "a%2Fb"]

pytestmark = pytest.mark.skipif(not URL, reason="no server")


def client(service, key=KEY, secret=SECRET, **config):
    session = botocore.session.get_session()
    session.set_credentials(key, secret)
    config = botocore.config.Config(
        inject_host_prefix=False,
        retries={"max_attempts": 0},
        s3={"addressing_style": "path"},
        response_checksum_validation="when_required",
        **config,
    )
    service = roundtrip.SDK_NAMES.get(service, service)
    return session.create_client(service, region_name="eu-west-1", endpoint_url=URL, config=config)


def operations():
    if not URL:
        return []
    return [(s, o) for s, names in sorted(roundtrip.Echo(URL).operations().items()) for o in names]


@pytest.mark.parametrize(("service", "operation"), operations())
def test_every_operation_is_verified(service, operation):
    roundtrip.Echo(URL).answer({"output": {}})
    api = client(service)
    shape = api.meta.service_model.operation_model(operation).input_shape
    params = roundtrip.Generator(service, "input", 0).structure(shape, 0) if shape else {}
    getattr(api, roundtrip.snake(operation))(**params)


@pytest.mark.parametrize("version", ["s3", "s3v4"])
@pytest.mark.parametrize("key", KEYS)
def test_presigned_urls_are_verified(key, version):
    echo = roundtrip.Echo(URL)
    echo.answer({"output": {}})
    api = client("s3", signature_version=version)
    params = {"Bucket": "b", "Key": key, "ResponseContentType": "text/x y"}
    url = api.generate_presigned_url("get_object", Params=params)
    assert urllib.request.urlopen(url, context=roundtrip.trust()).status == 200
    assert echo.heard()["input"]["Key"] == key
    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.urlopen(url.replace("x%20y", "z"), context=roundtrip.trust())
    assert error.value.code == 403 and b"SignatureDoesNotMatch" in error.value.read()


@pytest.mark.parametrize(
    ("service", "operation", "code"),
    [
        ("sqs", "list_queues", "InvalidSignatureException"),
        ("sts", "get_caller_identity", "SignatureDoesNotMatch"),
        ("lambda", "list_functions", "InvalidSignatureException"),
        ("s3", "list_buckets", "SignatureDoesNotMatch"),
    ],
)
def test_a_wrong_secret_is_refused(service, operation, code):
    with pytest.raises(botocore.exceptions.ClientError) as error:
        getattr(client(service, secret="guess"), operation)()
    assert error.value.response["Error"]["Code"] == code
