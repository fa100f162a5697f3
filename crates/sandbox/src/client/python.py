"""The Python runtime client: fetches events from the Runtime API over one kept-alive connection and runs the handler."""

import importlib
import json
import logging
import os
import socket
import sys
import time
import traceback

API = os.environ["AWS_LAMBDA_RUNTIME_API"]
PREFIX = "/2018-06-01/runtime/"
JSON_FORMAT = os.environ.get("AWS_LAMBDA_LOG_FORMAT") == "JSON"


class Connection:
    """One connection, one call at a time. Answers of the endpoint always carry a length."""

    def __init__(self):
        self.socket = None
        self.buffer = b""

    def open(self):
        host, _, port = API.rpartition(":")
        self.socket = socket.create_connection((host, int(port)))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def call(self, method, url, headers=(), body=None):
        if self.socket is None:
            self.open()
        head = [f"{method} {PREFIX}{url} HTTP/1.1\r\nHost: {API}\r\n"]
        head.extend(f"{name}: {value}\r\n" for name, value in headers)
        if body is None:
            self.socket.sendall(("".join(head) + "\r\n").encode("latin-1"))
        else:
            head.append(f"Content-Length: {len(body)}\r\n\r\n")
            self.socket.sendall("".join(head).encode("latin-1") + body)
        return self.answer()

    def answer(self):
        while True:
            end = self.buffer.find(b"\r\n\r\n")
            if end >= 0:
                break
            self.fill()
        lines = self.buffer[:end].decode("latin-1").split("\r\n")
        headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        self.buffer = self.buffer[end + 4 :]
        length = int(headers.get("content-length", 0))
        if len(self.buffer) < length:
            parts, have = [self.buffer], len(self.buffer)
            while have < length:
                part = self.socket.recv(max(65536, min(length - have, 1 << 20)))
                if not part:
                    sys.exit(1)
                parts.append(part)
                have += len(part)
            self.buffer = b"".join(parts)
        body, self.buffer = self.buffer[:length], self.buffer[length:]
        return int(lines[0].split(" ")[1]), headers, body

    def fill(self):
        part = self.socket.recv(65536)
        if not part:
            sys.exit(1)
        self.buffer += part


connection = Connection()


# ---- context ----


class CognitoIdentity:
    __slots__ = ["cognito_identity_id", "cognito_identity_pool_id"]

    def __init__(self, values):
        self.cognito_identity_id = values.get("cognitoIdentityId")
        self.cognito_identity_pool_id = values.get("cognitoIdentityPoolId")

    def __repr__(self):
        return (
            f"CognitoIdentity([cognito_identity_id={self.cognito_identity_id},"
            f"cognito_identity_pool_id={self.cognito_identity_pool_id}])"
        )


class Client:
    __slots__ = ["installation_id", "app_title", "app_version_name", "app_version_code", "app_package_name"]

    def __init__(self, values):
        for name in self.__slots__:
            setattr(self, name, values.get(name))


class ClientContext:
    __slots__ = ["custom", "env", "client"]

    def __init__(self, values):
        self.client = Client(values["client"]) if values.get("client") else None
        self.custom = values.get("custom")
        self.env = values.get("env")


class LambdaContext:
    def __init__(self, headers):
        environment = os.environ
        self.aws_request_id = headers["lambda-runtime-aws-request-id"]
        self.log_group_name = environment.get("AWS_LAMBDA_LOG_GROUP_NAME")
        self.log_stream_name = environment.get("AWS_LAMBDA_LOG_STREAM_NAME")
        self.function_name = environment.get("AWS_LAMBDA_FUNCTION_NAME")
        self.memory_limit_in_mb = environment.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
        self.function_version = environment.get("AWS_LAMBDA_FUNCTION_VERSION")
        self.invoked_function_arn = headers.get("lambda-runtime-invoked-function-arn")
        self.client_context = parsed(headers, "lambda-runtime-client-context", ClientContext)
        self.identity = parsed(headers, "lambda-runtime-cognito-identity", CognitoIdentity) or CognitoIdentity({})
        self.tenant_id = headers.get("lambda-runtime-aws-tenant-id")
        self._epoch_deadline_time_in_ms = int(headers["lambda-runtime-deadline-ms"])

    def get_remaining_time_in_millis(self):
        return max(self._epoch_deadline_time_in_ms - int(time.time() * 1000), 0)

    def log(self, message):
        sys.stdout.write(str(message))

    def __repr__(self):
        return (
            f"LambdaContext([aws_request_id={self.aws_request_id},log_group_name={self.log_group_name},"
            f"log_stream_name={self.log_stream_name},function_name={self.function_name},"
            f"memory_limit_in_mb={self.memory_limit_in_mb},function_version={self.function_version},"
            f"invoked_function_arn={self.invoked_function_arn},client_context={self.client_context},"
            f"identity={self.identity},tenant_id={self.tenant_id}])"
        )


def parsed(headers, name, make):
    value = headers.get(name)
    if not value:
        return None
    return make(json.loads(value.encode("latin-1").decode("utf-8")) or {})


# ---- logs ----

request_id = ""


def record(text):
    """One framed record: a message of several lines stays one event."""
    data = text.encode("utf-8", "surrogateescape")
    head = (0xA55A0003).to_bytes(4, "big") + len(data).to_bytes(4, "big")
    stamp = int(time.time() * 1_000_000).to_bytes(8, "big")
    data = head + stamp + data
    sys.stdout.flush()
    while data:
        data = data[os.write(1, data) :]


class TextFormatter(logging.Formatter):
    converter = time.gmtime

    def __init__(self):
        super().__init__("[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s\n", "%Y-%m-%dT%H:%M:%S")


STANDARD = set(vars(logging.makeLogRecord({}))) | {"message", "asctime", "aws_request_id", "taskName"}


class JsonFormatter(logging.Formatter):
    def format(self, entry):
        out = {
            "timestamp": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(entry.created)) + "Z",
            "level": entry.levelname,
            "message": entry.getMessage(),
            "logger": entry.name,
            "requestId": entry.aws_request_id,
        }
        if entry.exc_info and entry.exc_info[0] is not None:
            kind, value, trace = entry.exc_info
            out["stackTrace"] = traceback.format_exception(kind, value, trace)
            out["errorType"] = kind.__name__
            out["errorMessage"] = str(value)
            out["location"] = f"{entry.pathname}:{entry.funcName}:{entry.lineno}"
        for name, value in vars(entry).items():
            if name not in STANDARD:
                out[name] = value
        return json.dumps({name: value for name, value in out.items() if value is not None}, default=str)


class Handler(logging.Handler):
    def emit(self, entry):
        try:
            record(self.format(entry))
        except Exception:
            self.handleError(entry)


def add_request_id(entry):
    entry.aws_request_id = request_id
    return True


def setup_logging():
    handler = Handler()
    handler.setFormatter(JsonFormatter() if JSON_FORMAT else TextFormatter())
    handler.addFilter(add_request_id)
    root = logging.getLogger()
    root.addHandler(handler)
    level = os.environ.get("AWS_LAMBDA_LOG_LEVEL", "").upper()
    if JSON_FORMAT and level:
        level = {"TRACE": "NOTSET", "FATAL": "CRITICAL", "WARN": "WARNING"}.get(level, level)
        root.setLevel(getattr(logging, level, logging.NOTSET))


# ---- errors ----


class RuntimeFailure(Exception):
    def __init__(self, kind, message, trace=()):
        super().__init__(message)
        self.kind = kind
        self.trace = list(trace)


def describe(error, own_request_id):
    """The payload that Lambda makes of an exception: frames of this client are left out."""
    if isinstance(error, RuntimeFailure):
        return {"errorMessage": str(error), "errorType": error.kind, "requestId": own_request_id, "stackTrace": error.trace}
    frames = traceback.extract_tb(error.__traceback__)
    here = os.path.realpath(__file__)
    kept = [frame for frame in frames if os.path.realpath(frame.filename) != here]
    return {
        "errorMessage": str(error),
        "errorType": type(error).__name__,
        "requestId": own_request_id,
        "stackTrace": traceback.format_list(kept),
    }


def log_error(payload):
    if JSON_FORMAT:
        record(json.dumps({
            "timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "log_level": "ERROR",
            "errorMessage": payload["errorMessage"],
            "errorType": payload["errorType"],
            "requestId": payload["requestId"],
            "stackTrace": payload["stackTrace"],
        }))
        return
    lines = [f"[ERROR] {payload['errorType']}: {payload['errorMessage']}"]
    if payload["stackTrace"]:
        lines.append("Traceback (most recent call last):")
        lines.extend(str(frame).rstrip("\n") for frame in payload["stackTrace"])
    record("\n".join(lines) + "\n")


def header_text(value):
    return "".join(c if " " <= c <= "~" else "?" for c in value)


def post_error(url, payload):
    kind = payload["errorType"]
    headers = [("Content-Type", "application/json"), ("Lambda-Runtime-Function-Error-Type", header_text(kind))]
    connection.call("POST", url, headers, json.dumps(payload, ensure_ascii=False).encode("utf-8", "replace"))


# ---- the handler ----


def load_handler():
    text = os.environ.get("_HANDLER", "")
    module_name, dot, name = text.rpartition(".")
    if not dot or not module_name or not name:
        raise RuntimeFailure(
            "Runtime.MalformedHandlerName", f"Bad handler '{text}': not enough values to unpack (expected 2, got 1)"
        )
    module_path = module_name.replace("/", ".")
    first = module_path.split(".")[0]
    if first in sys.builtin_module_names:
        raise RuntimeFailure(
            "Runtime.BuiltInModuleConflict",
            f"Cannot use built-in module {module_path} as a handler module",
        )
    try:
        module = importlib.import_module(module_path)
    except ImportError as error:
        raise RuntimeFailure("Runtime.ImportModuleError", f"Unable to import module '{module_name}': {error}") from error
    except SyntaxError as error:
        trace = [f'  File "{error.filename}" Line {error.lineno}\n    {(error.text or "").strip()}\n']
        raise RuntimeFailure(
            "Runtime.UserCodeSyntaxError", f"Syntax error in module '{module_name}': {error}", trace
        ) from error
    try:
        return getattr(module, name)
    except AttributeError as error:
        raise RuntimeFailure(
            "Runtime.HandlerNotFound", f"Handler '{name}' missing on module '{module_name}'"
        ) from error


def to_json(value):
    if hasattr(value, "__float__") and type(value).__name__ == "Decimal":
        return int(value) if value == value.to_integral_value() else float(value)
    raise TypeError(repr(value) + " is not JSON serializable")


def invoke(handler, headers, body):
    global request_id
    request_id = headers["lambda-runtime-aws-request-id"]
    trace_id = headers.get("lambda-runtime-trace-id")
    if trace_id:
        os.environ["_X_AMZN_TRACE_ID"] = trace_id
    else:
        os.environ.pop("_X_AMZN_TRACE_ID", None)
    try:
        try:
            event = json.loads(body) if body else None
        except ValueError as error:
            raise RuntimeFailure("Runtime.UnmarshalError", f"Unable to unmarshal input: {error}") from error
        result = handler(event, LambdaContext(headers))
        content_type = "application/json"
        if isinstance(result, (bytes, bytearray)):
            data, content_type = bytes(result), "application/octet-stream"
        else:
            try:
                data = json.dumps(result, default=to_json, ensure_ascii=False).encode("utf-8")
            except Exception as error:
                raise RuntimeFailure(
                    "Runtime.MarshalError", f"Unable to marshal response: {error}"
                ) from error
    except Exception as error:
        payload = describe(error, request_id)
        log_error(payload)
        sys.stdout.flush()
        post_error(f"invocation/{request_id}/error", payload)
        return
    sys.stdout.flush()
    connection.call("POST", f"invocation/{request_id}/response", [("Content-Type", content_type)], data)


def setup_path():
    """The code first, then layers (already on the path), the standard library, then libraries of the runtime."""
    here = os.path.dirname(os.path.realpath(__file__))
    sys.path[:] = [entry for entry in sys.path if os.path.realpath(entry or ".") != here]
    sys.path.insert(0, os.environ["LAMBDA_TASK_ROOT"])
    libraries = os.environ.pop("UNDERCAST_PYTHON_LIBS", "")
    if libraries:
        sys.path.append(libraries)


def main():
    setup_path()
    setup_logging()
    sys.modules.setdefault("bootstrap", sys.modules["__main__"])
    try:
        handler = load_handler()
    except Exception as error:
        payload = describe(error, "")
        log_error(payload)
        post_error("init/error", payload)
        sys.exit(1)
    while True:
        status, headers, body = connection.call("GET", "invocation/next")
        if status != 200:
            sys.exit(1)
        invoke(handler, headers, body)


if __name__ == "__main__":
    main()
