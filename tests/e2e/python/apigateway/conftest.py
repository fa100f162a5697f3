"""What the tests of HTTP APIs share: functions, an HTTP server to lead to, an issuer of tokens."""

import base64
import http.client
import http.server
import io
import json
import threading
import time
import urllib.parse
import zipfile

import pytest
import rsa

# Answers the whole event; some paths misbehave.
ECHO = """
exports.handler = async (event) => ({ statusCode: 200, headers: { "content-type": "application/json" }, body: JSON.stringify(event) });
"""


def archive(source, name="index.js"):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as z:
        info = zipfile.ZipInfo(name)
        info.external_attr = 0o644 << 16
        z.writestr(info, source)
    return out.getvalue()


@pytest.fixture
def function(client, account):
    """Makes a function; answers its ARN."""

    def make(name="echo", source=ECHO):
        return client("lambda").create_function(
            FunctionName=name, Runtime="nodejs20.x", Role=f"arn:aws:iam::{account}:role/r", Handler="index.handler", Code={"ZipFile": archive(source)}
        )["FunctionArn"]

    return make


class Answer:
    def __init__(self, response):
        self.status, self.headers, self.body = response.status, response.headers, response.read()

    def json(self):
        return json.loads(self.body)


def send(url, method="GET", body=None, headers=None, host=None):
    """One request, exactly as told; `host` stands for the name that a client would have resolved."""
    parts = urllib.parse.urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind("127.0.0.1" if host else parts.hostname, parts.port, timeout=60)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    connection.request(method, path, body, {**({"Host": host} if host else {}), **(headers or {})})
    try:
        return Answer(connection.getresponse())
    finally:
        connection.close()


@pytest.fixture
def call():
    return send


class Api:
    """An HTTP API with a stage that deploys itself."""

    def __init__(self, gateway, **more):
        self.gateway = gateway
        made = gateway.create_api(Name="a", ProtocolType="HTTP", **more)
        self.id, self.url = made["ApiId"], made["ApiEndpoint"]
        gateway.create_stage(ApiId=self.id, StageName="$default", AutoDeploy=True)

    def integration(self, **more):
        return self.gateway.create_integration(ApiId=self.id, **more)["IntegrationId"]

    def to_function(self, arn, **more):
        return self.integration(**{"IntegrationType": "AWS_PROXY", "IntegrationUri": arn, "PayloadFormatVersion": "2.0", **more})

    def route(self, key, integration, **more):
        return self.gateway.create_route(ApiId=self.id, RouteKey=key, Target=f"integrations/{integration}", **more)["RouteId"]

    def authorizer(self, **more):
        return self.gateway.create_authorizer(ApiId=self.id, **{"Name": "a", **more})["AuthorizerId"]


@pytest.fixture
def new_api(client):
    def make(**more):
        return Api(client("apigatewayv2"), **more)

    return make


class Server:
    """An HTTP server on this machine: answers what it was asked, or what `answers` has for the path."""

    def __init__(self):
        outer = self
        self.asked, self.answers, self.hold = [], {}, threading.Event()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def any(self):
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                asked = {"method": self.command, "path": self.path, "headers": {k.lower(): v for k, v in self.headers.items()}, "body": body.decode("latin-1")}
                outer.asked.append(asked)
                if self.path.startswith("/slow"):
                    outer.hold.wait(30)
                status, headers, out = outer.answers.get(self.path.split("?")[0], (200, {"content-type": "application/json"}, json.dumps(asked).encode()))
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(out)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(out)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = any

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.hold.set()
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def backend():
    server = Server()
    yield server
    server.close()


def text(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(n):
    return text(n.to_bytes((n.bit_length() + 7) // 8, "big"))


@pytest.fixture(scope="session")
def keys():
    """Two pairs of keys; to make them takes a while."""
    return [rsa.newkeys(2048), rsa.newkeys(2048)]


class Issuer(Server):
    """Issues tokens, and says with which keys."""

    def __init__(self, keys):
        super().__init__()
        self.pairs = keys
        self.offer(0)
        discovery = {"issuer": self.url, "jwks_uri": f"{self.url}/keys"}
        self.answers["/.well-known/openid-configuration"] = (200, {}, json.dumps(discovery).encode())

    def offer(self, *numbers):
        public = [{"kty": "RSA", "kid": f"k{n}", "use": "sig", "n": number(self.pairs[n][0].n), "e": number(self.pairs[n][0].e)} for n in numbers]
        self.answers["/keys"] = (200, {}, json.dumps({"keys": public}).encode())

    def token(self, key=0, algorithm="RS256", kid=None, **claims):
        now = int(time.time())
        claims = {"iss": self.url, "aud": "app", "sub": "me", "iat": now - 5, "exp": now + 600, **claims}
        claims = {name: value for name, value in claims.items() if value is not None}
        signed = ".".join(text(json.dumps(part).encode()) for part in ({"alg": algorithm, "kid": kid or f"k{key}", "typ": "JWT"}, claims))
        signature = rsa.sign(signed.encode(), self.pairs[key][1], f"SHA-{algorithm[2:]}") if algorithm != "none" else b""
        return f"{signed}.{text(signature)}"


@pytest.fixture
def issuer(keys):
    server = Issuer(keys)
    yield server
    server.close()
