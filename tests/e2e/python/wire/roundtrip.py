"""Every operation of every service, through botocore, against a server in echo mode.

What botocore sends is compared with what the server read; what the server was told to answer is
compared with what botocore parsed. The server runs no handler, so this proves the wire alone.
"""

import base64
import datetime
import http.client
import json
import os
import ssl
import math
import urllib.parse

import botocore.config
import botocore.handlers
import botocore.exceptions
import botocore.session

DEPTH_MAX = 5
NASTY = "a b+c/d?e&f=g<h>\"i'%20\u00e9\u4e16\U0001f600\n"
PLAIN = "Plain value_1.x-y"
TIME = datetime.datetime(2026, 11, 24, 8, 0, 1, tzinfo=datetime.timezone.utc)


def trust():
    """Who signs the certificate of a server in secure mode."""
    return ssl.create_default_context(cafile=os.environ.get("AWS_CA_BUNDLE"))


class Echo:
    """The control routes of the server."""

    def __init__(self, url):
        self.url = url
        parsed = urllib.parse.urlsplit(url)
        if parsed.scheme == "https":
            self.connection = http.client.HTTPSConnection(parsed.hostname, parsed.port, context=trust())
        else:
            self.connection = http.client.HTTPConnection(parsed.hostname, parsed.port)

    def _call(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        self.connection.request(method, path, data)
        response = self.connection.getresponse()
        return response.status, response.read()

    def operations(self):
        return json.loads(self._call("GET", "/_echo/operations")[1])

    def heard(self):
        return json.loads(self._call("GET", "/_echo/input")[1])

    def answer(self, document):
        status, body = self._call("PUT", "/_echo/output", document)
        assert status == 204, body


# Our own services, as the SDK's folder of models calls them.
SDK_NAMES = {"release": "undercast-release"}


def own_name(api):
    name = api.meta.service_model.service_name
    return {sdk: own for own, sdk in SDK_NAMES.items()}.get(name, name)


def client(service, url):
    session = botocore.session.get_session()
    session.set_credentials("000000000000", "secret")
    config = botocore.config.Config(
        inject_host_prefix=False,
        retries={"max_attempts": 0},
        s3={"addressing_style": "path"},
        response_checksum_validation="when_required",
        read_timeout=20,
    )
    service = SDK_NAMES.get(service, service)
    # Nothing is sent that was not generated: no tokens either.
    session.unregister("before-parameter-build", botocore.handlers.generate_idempotent_uuid)
    return session.create_client(service, region_name="eu-west-1", endpoint_url=url, config=config)


class Generator:
    """Values for shapes. `turn` decides which member of a union is set and which enum value is taken."""

    def __init__(self, service, side, turn, full=True):
        self.service, self.side, self.turn, self.full = service, side, turn, full
        self.unions = 1

    def value(self, shape, traits, depth=0, name=""):
        kind = shape.type_name
        if kind == "structure":
            return self.structure(shape, depth)
        if kind == "list":
            count = 1 if depth > 2 else 2
            if traits.get("location") == "header":
                count = 2
            return [self.value(shape.member, {}, depth + 1) for _ in range(count)]
        if kind == "map":
            header = traits.get("location") == "headers"
            keys = ["key-one", "key2"] if header else ["k 1", "k&\u00e92"]
            if shape.key.enum:
                keys = shape.key.enum[:2]
            inner = {"location": "header"} if header else {}
            return {key: self.value(shape.value, inner, depth + 1) for key in keys}
        return self.scalar(shape, traits, name)

    def structure(self, shape, depth):
        members = list(shape.members.items())
        if getattr(shape, "is_document_type", False):
            return {"a": [1, "two", None, {"b": True}]}
        if getattr(shape, "is_tagged_union", False):
            self.unions = max(self.unions, len(members))
            members = [members[self.turn % len(members)]]
        result = {}
        for name, member in members:
            required = name in shape.required_members or getattr(shape, "is_tagged_union", False)
            if not required and (not self.full or depth >= DEPTH_MAX):
                continue
            if self.skips(shape, name, member):
                continue
            result[name] = self.value(member, member.serialization, depth + 1, name)
        return result

    def skips(self, shape, name, member):
        serialization = member.serialization
        if self.side == "input" and serialization.get("hostPrefix"):
            return True
        # botocore makes a host of it.
        if self.service == "sesv2" and name == "EndpointId":
            return True
        # Checksums, lengths and keys with digests have to agree with the body.
        if self.service == "s3" and (name.startswith("Checksum") or name.startswith("SSECustomer")
                                     or name.startswith("CopySourceSSECustomer")
                                     or name in ("ContentMD5", "EncodingType", "ContentLength", "Expires",
                                                 "ContentEncoding")):
            return "location" in serialization or name == "EncodingType"
        return False

    def scalar(self, shape, traits, name):
        kind = shape.type_name
        where = traits.get("location")
        if kind == "string":
            return self.string(shape, where, name)
        if kind == "character":
            return "x"
        if kind == "boolean":
            return self.turn % 2 == 0
        if kind in ("integer", "long"):
            if where == "statusCode":
                return 202
            low = shape.metadata.get("min", 1)
            return max(int(low), 7 if kind == "integer" else 2**40 + self.turn)
        if kind in ("float", "double"):
            low = shape.metadata.get("min")
            if low is not None:
                return float(low) + 0.5
            return 1.5 if self.turn % 2 == 0 else -0.25
        if kind == "timestamp":
            return TIME
        if kind == "blob":
            return b"blob \x00\xff bytes" if self.side == "input" or not traits.get("stream") else b"text"
        raise AssertionError(kind)

    def string(self, shape, where, name):
        if shape.enum:
            return shape.enum[self.turn % len(shape.enum)]
        if self.service == "s3" and name == "Bucket":
            return "bucket-1"
        if self.service == "s3" and name == "CopySource":
            return "bucket-2/some/key"
        if shape.name == "policyDocumentType" and self.side == "output":
            return "%7B%7D"
        if where in ("header", "headers"):
            return PLAIN
        if where == "uri":
            return "l 1/\u00e9:x" if name == "Key" else "label-1:2"
        text = PLAIN if shape.metadata.get("pattern") else NASTY
        low = int(shape.metadata.get("min", 0))
        return text if len(text) >= low else text + "x" * (low - len(text))


def document(shape, value, stream=False):
    """A value as the server's documents hold it."""
    kind = shape.type_name
    if kind == "structure":
        if getattr(shape, "is_document_type", False):
            return value
        return {k: document(shape.members[k], v) for k, v in value.items()}
    if kind == "list":
        return [document(shape.member, v) for v in value]
    if kind == "map":
        return {k: document(shape.value, v) for k, v in value.items()}
    if kind == "timestamp":
        return int(value.timestamp())
    if kind == "blob":
        return base64.b64encode(value).decode()
    return value


def same(expected, found, path=""):
    """Differences between what should be there and what is."""
    if isinstance(expected, dict) and isinstance(found, dict):
        problems = []
        for key in sorted(set(expected) | set(found), key=str):
            here = f"{path}.{key}"
            if key not in found:
                problems.append(f"{here}: lost {expected[key]!r}")
            elif key not in expected:
                problems.append(f"{here}: came from nowhere {found[key]!r}")
            else:
                problems += same(expected[key], found[key], here)
        return problems
    if isinstance(expected, list) and isinstance(found, list):
        if len(expected) != len(found):
            return [f"{path}: {len(expected)} elements became {len(found)}: {found!r}"]
        return [p for i, (a, b) in enumerate(zip(expected, found)) for p in same(a, b, f"{path}[{i}]")]
    if isinstance(expected, float) and isinstance(found, (int, float)):
        return [] if math.isclose(expected, found, rel_tol=1e-6) else [f"{path}: {expected!r} became {found!r}"]
    return [] if expected == found and type(expected) is type(found) else [f"{path}: {expected!r} became {found!r}"]


# Members that botocore fills in by itself.
ADDED = {"ChecksumAlgorithm", "EncodingType", "ChecksumMode", "ClientToken", "ClientRequestToken"}


def snake(name):
    return botocore.xform_name(name)


def check_inputs(echo, api, operation):
    """Sends generated inputs and compares what was read."""
    model = api.meta.service_model.operation_model(operation)
    shape = model.input_shape
    service = own_name(api)
    problems = []
    echo.answer({"output": {}})
    turn, turns = 0, 2
    while turn < turns:
        generator = Generator(service, "input", turn, full=turn != 1)
        params = generator.structure(shape, 0) if shape else {}
        turns = min(max(turns, generator.unions), 12)
        turn += 1
        try:
            getattr(api, snake(operation))(**params)
        except botocore.exceptions.ClientError as error:
            problems.append(f"input {turn}: {error}")
            continue
        except botocore.exceptions.ParamValidationError as error:
            problems.append(f"input {turn} is not valid: {error}")
            continue
        heard = echo.heard()
        if (heard["service"], heard["operation"]) != (service, operation):
            problems.append(f"input {turn}: routed to {heard['service']}.{heard['operation']}")
            continue
        expected = document(shape, params) if shape else {}
        found = {k: v for k, v in heard["input"].items() if k in expected or (v is not None and k not in ADDED)}
        if model.has_streaming_input and isinstance(params.get(shape.serialization.get("payload")), str):
            name = shape.serialization["payload"]
            expected[name] = base64.b64encode(params[name].encode()).decode()
        for key in ("ContentLength", "ContentMD5", "ContentType"):
            if key not in expected:
                found.pop(key, None)
        for key, value in list(found.items()):
            if key not in expected and (key.startswith("Checksum") or value in (None, "")):
                found.pop(key)
        problems += [f"input {turn} {p}" for p in same(expected, found)]
    return problems


def parsed(shape, value):
    """A value as botocore gives it back."""
    kind = shape.type_name
    if kind == "structure" and not getattr(shape, "is_document_type", False):
        return {k: parsed(shape.members[k], v) for k, v in value.items()}
    if kind == "list":
        return [parsed(shape.member, v) for v in value]
    if kind == "map":
        return {k: parsed(shape.value, v) for k, v in value.items()}
    if shape.name == "policyDocumentType":
        return {}
    return value


def check_outputs(echo, api, operation):
    """Answers with generated outputs and compares what botocore parsed."""
    model = api.meta.service_model.operation_model(operation)
    service = own_name(api)
    if model.output_shape is None or model.has_event_stream_output:
        return []
    params = Generator(service, "input", 0, full=False).structure(model.input_shape, 0) if model.input_shape else {}
    problems = []
    turn, turns = 0, 2
    while turn < turns:
        generator = Generator(service, "output", turn, full=turn != 1)
        output = generator.structure(model.output_shape, 0)
        turns = min(max(turns, generator.unions), 12)
        turn += 1
        payload = model.output_shape.serialization.get("payload")
        sent = document(model.output_shape, output)
        if model.has_streaming_output:
            output[payload] = b"streamed text"
            stream = model.output_shape.members[payload].serialization.get("streaming")
            sent[payload] = "streamed text" if stream else base64.b64encode(output[payload]).decode()
        echo.answer({"output": sent})
        try:
            found = getattr(api, snake(operation))(**params)
        except Exception as error:  # noqa: BLE001: any failure is a finding
            problems.append(f"output {turn}: {type(error).__name__}: {error}")
            continue
        found.pop("ResponseMetadata")
        expected = parsed(model.output_shape, output)
        if model.has_streaming_output:
            found[payload] = found[payload].read()
        if model.http.get("method") == "HEAD" or payload:
            for key in ("ContentLength", "ContentType"):
                if key not in expected:
                    found.pop(key, None)
        status = [k for k, m in model.output_shape.members.items() if m.serialization.get("location") == "statusCode"]
        for key in status:
            expected.setdefault(key, found.get(key))
        for key, value in list(found.items()):
            # Parsers of XML and headers make empty containers out of nothing.
            if key not in expected and value in ({}, [], "", None):
                found.pop(key)
        problems += [f"output {turn} {p}" for p in same(expected, plain(found))]
    return problems


def plain(value):
    """Without subclasses and time zones of botocore's own."""
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, list):
        return [plain(v) for v in value]
    if isinstance(value, datetime.datetime):
        return value.astimezone(datetime.timezone.utc)
    return value


def check_errors(echo, api, operation):
    """Answers with each modeled error."""
    model = api.meta.service_model.operation_model(operation)
    service = api.meta.service_model
    params = Generator(service.service_name, "input", 0, full=False).structure(model.input_shape, 0) if model.input_shape else {}
    problems = []
    for shape in model.error_shapes:
        fields = {k: v for k, v in shape.members.items() if k.lower() not in ("message", "type", "code")}
        generator = Generator(service.service_name, "output", 0)
        values = {k: generator.value(m, m.serialization, 0, k) for k, m in fields.items()}
        sent = {k: document(fields[k], v) for k, v in values.items()}
        echo.answer({"error": {"code": shape.name, "message": NASTY, "fields": sent}})
        try:
            getattr(api, snake(operation))(**params)
            problems.append(f"error {shape.name}: no error")
            continue
        except botocore.exceptions.ClientError as error:
            answer = error.response
        code = answer["Error"]["Code"]
        if model.http.get("method") == "HEAD":
            continue
        if code not in (shape.name, shape.error_code, shape.metadata.get("error", {}).get("code")) \
                and "awsQueryCompatible" not in service.metadata:
            problems.append(f"error {shape.name}: code {code}")
        if answer["Error"]["Message"].strip() != NASTY.strip():
            problems.append(f"error {shape.name}: message {answer['Error']['Message']!r}")
        status = shape.metadata.get("error", {}).get("httpStatusCode")
        if status and status != answer["ResponseMetadata"]["HTTPStatusCode"]:
            problems.append(f"error {shape.name}: status {answer['ResponseMetadata']['HTTPStatusCode']}")
        if not answer["ResponseMetadata"].get("RequestId"):
            problems.append(f"error {shape.name}: no request id")
    return problems


def check(url, services=None):
    """All problems by operation."""
    echo = Echo(url)
    result = {}
    for service, operations in sorted(echo.operations().items()):
        if services and service not in services:
            continue
        api = client(service, url)
        for operation in operations:
            problems = check_inputs(echo, api, operation) + check_outputs(echo, api, operation)
            result[f"{service}.{operation}"] = problems + check_errors(echo, api, operation)
    return result


if __name__ == "__main__":
    import sys

    found = check(sys.argv[1], sys.argv[2:])
    bad = {name: problems for name, problems in found.items() if problems}
    for name, problems in bad.items():
        print(name)
        for problem in problems[:12]:
            print("   ", problem[:300])
    print(f"{len(found)} operations, {len(bad)} with problems")
    sys.exit(bool(bad))
