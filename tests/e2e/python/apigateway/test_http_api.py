"""HTTP APIs: the control plane through boto3, the front door through plain HTTP."""

import base64
import io
import json
import urllib.error
import urllib.request
import zipfile

import pytest

ECHO = """
exports.handler = async (event) => {
  if (event.rawPath === "/throw") throw new Error("no");
  if (event.rawPath === "/plain") return { seen: true };
  if (event.rawPath === "/bytes") return { statusCode: 200, headers: { "content-type": "image/png" }, body: Buffer.from([0, 1, 255]).toString("base64"), isBase64Encoded: true };
  if (event.rawPath === "/teapot") return { statusCode: 418, headers: { "X-A": "b" }, cookies: ["a=1", "b=2"], body: "short" };
  return { statusCode: 200, headers: { "content-type": "application/json" }, body: JSON.stringify(event) };
};
"""


def archive(source, name="index.js"):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as z:
        # As on AWS, code has to be readable for everybody.
        info = zipfile.ZipInfo(name)
        info.external_attr = 0o644 << 16
        z.writestr(info, source)
    return out.getvalue()


@pytest.fixture
def api(client, account):
    lam = client("lambda")
    arn = lam.create_function(
        FunctionName="echo", Runtime="nodejs20.x", Role=f"arn:aws:iam::{account}:role/r", Handler="index.handler", Code={"ZipFile": archive(ECHO)}
    )["FunctionArn"]
    gw = client("apigatewayv2")
    made = gw.create_api(Name="a", ProtocolType="HTTP", CorsConfiguration={"AllowOrigins": ["https://x.test"], "AllowMethods": ["GET"], "MaxAge": 5})
    integration = gw.create_integration(ApiId=made["ApiId"], IntegrationType="AWS_PROXY", IntegrationUri=arn, PayloadFormatVersion="2.0")
    for key in ("GET /items/{id}", "ANY /any/{proxy+}", "$default"):
        gw.create_route(ApiId=made["ApiId"], RouteKey=key, Target=f"integrations/{integration['IntegrationId']}")
    gw.create_stage(ApiId=made["ApiId"], StageName="$default", AutoDeploy=True)
    made["IntegrationId"] = integration["IntegrationId"]
    made["FunctionArn"] = arn
    return made


def call(url, method="GET", body=None, **headers):
    request = urllib.request.Request(url, body, {k.replace("_", "-"): v for k, v in headers.items()}, method=method)
    try:
        with urllib.request.urlopen(request) as r:
            return r.status, r.headers, r.read()
    except urllib.error.HTTPError as e:
        return e.code, e.headers, e.read()


def test_the_event_has_the_form_of_payload_two(api, account):
    status, headers, body = call(f"{api['ApiEndpoint']}/items/a%20b?x=1&x=2&y=z", cookie="c=1; d=2", content_type="application/json")
    event = json.loads(body)
    assert status == 200 and headers["apigw-requestid"]
    assert event["version"] == "2.0" and event["routeKey"] == "GET /items/{id}"
    assert event["pathParameters"] == {"id": "a b"}
    assert event["rawQueryString"] == "x=1&x=2&y=z" and event["queryStringParameters"] == {"x": "1,2", "y": "z"}
    assert event["cookies"] == ["c=1", "d=2"] and "cookie" not in event["headers"]
    context = event["requestContext"]
    assert (context["accountId"], context["apiId"], context["stage"]) == (account, api["ApiId"], "$default")
    assert context["http"]["method"] == "GET" and context["http"]["sourceIp"] == "127.0.0.1"
    assert "body" not in event and event["isBase64Encoded"] is False


def test_bodies_are_text_or_base64(api):
    event = json.loads(call(f"{api['ApiEndpoint']}/any/a/b", "POST", b'{"a":1}', content_type="application/json")[2])
    assert (event["body"], event["isBase64Encoded"], event["pathParameters"]) == ('{"a":1}', False, {"proxy": "a/b"})
    event = json.loads(call(f"{api['ApiEndpoint']}/any/a", "PUT", b"\x00\xff", content_type="application/octet-stream")[2])
    assert base64.b64decode(event["body"]) == b"\x00\xff" and event["isBase64Encoded"]


def test_answers_in_every_form(api):
    url = api["ApiEndpoint"]
    assert call(f"{url}/plain")[2] == b'{"seen":true}'
    status, headers, body = call(f"{url}/teapot")
    assert (status, headers["x-a"], body) == (418, "b", b"short") and headers.get_all("set-cookie") == ["a=1", "b=2"]
    status, headers, body = call(f"{url}/bytes")
    assert (headers["content-type"], body) == ("image/png", b"\x00\x01\xff")
    assert call(f"{url}/throw")[0::2] == (500, b'{"message":"Internal Server Error"}')


def test_hosts_find_the_api(cloud, api):
    import http.client

    for host in (f"{api['ApiId']}.execute-api.eu-west-1.amazonaws.com", f"{api['ApiId']}.execute-api.localhost:4566"):
        connection = http.client.HTTPConnection("127.0.0.1", int(cloud.url.rsplit(":")[-1]))
        connection.request("GET", "/items/7", headers={"Host": host})
        response = connection.getresponse()
        assert json.loads(response.read())["pathParameters"] == {"id": "7"}
    assert call(f"{cloud.url}/_aws/execute-api/nope/x")[0::2] == (404, b'{"message":"Not Found"}')


def test_cross_origin_requests(api):
    url = api["ApiEndpoint"]
    status, headers, _ = call(f"{url}/items/1", "OPTIONS", origin="https://x.test", access_control_request_method="GET")
    assert status == 204 and headers["access-control-allow-origin"] == "https://x.test" and headers["access-control-max-age"] == "5"
    assert call(f"{url}/items/1", origin="https://x.test")[1]["access-control-allow-origin"] == "https://x.test"
    assert "access-control-allow-origin" not in call(f"{url}/items/1", origin="https://evil.test")[1]


def test_stages_deployments_and_variables(client, api):
    gw = client("apigatewayv2")
    deployment = gw.create_deployment(ApiId=api["ApiId"])["DeploymentId"]
    gw.create_stage(ApiId=api["ApiId"], StageName="prod", DeploymentId=deployment, StageVariables={"a": "b"})
    event = json.loads(call(f"{api['ApiEndpoint']}/prod/items/1")[2])
    assert event["rawPath"] == "/prod/items/1" and event["stageVariables"] == {"a": "b"}
    # A deployment is what was there when it was made.
    for route in gw.get_routes(ApiId=api["ApiId"])["Items"]:
        gw.delete_route(ApiId=api["ApiId"], RouteId=route["RouteId"])
    assert call(f"{api['ApiEndpoint']}/items/1")[0] == 404
    assert call(f"{api['ApiEndpoint']}/prod/items/1")[0] == 200


def test_the_control_plane_refuses_what_cannot_be(client, api, error):
    gw = client("apigatewayv2")
    assert error(gw.create_route, ApiId=api["ApiId"], RouteKey="GET items")[0] == "BadRequestException"
    assert error(gw.create_route, ApiId=api["ApiId"], RouteKey="$default")[0] == "ConflictException"
    assert error(gw.delete_integration, ApiId=api["ApiId"], IntegrationId=api["IntegrationId"])[0] == "ConflictException"
    assert error(gw.get_api, ApiId="nope")[0] == "NotFoundException"
    code, message = error(gw.create_api, Name="w", ProtocolType="WEBSOCKET")
    assert code == "NotImplemented" and "WEBSOCKET" in message
    code, message = error(gw.create_model, ApiId=api["ApiId"], Name="m", Schema="{}")
    assert code == "NotImplemented" and "CreateModel" in message
    gw.delete_api(ApiId=api["ApiId"])
    assert call(f"{api['ApiEndpoint']}/items/1")[0] == 404


def test_payload_one_is_spoken_too(client, api):
    gw = client("apigatewayv2")
    gw.update_integration(ApiId=api["ApiId"], IntegrationId=api["IntegrationId"], PayloadFormatVersion="1.0")
    event = json.loads(call(f"{api['ApiEndpoint']}/items/1?a=1&a=2")[2])
    assert event["version"] == "1.0" and event["resource"] == "/items/{id}" and event["httpMethod"] == "GET"
    assert event["multiValueQueryStringParameters"] == {"a": ["1", "2"]} and event["queryStringParameters"] == {"a": "2"}
