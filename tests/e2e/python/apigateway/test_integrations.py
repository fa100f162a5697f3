"""Integrations of HTTP APIs with other servers and with services, and the mapping of parameters."""

import json
import time

import pytest


def test_requests_go_on_to_another_server(new_api, backend, call):
    api = new_api()
    to = api.integration(IntegrationType="HTTP_PROXY", IntegrationUri=f"{backend.url}/base/{{proxy}}", IntegrationMethod="ANY", PayloadFormatVersion="1.0")
    api.route("ANY /shop/{proxy+}", to)
    one = api.integration(IntegrationType="HTTP_PROXY", IntegrationUri=f"{backend.url}/items/{{id}}?fixed=1", IntegrationMethod="PUT", PayloadFormatVersion="1.0")
    api.route("POST /item/{id}", one)
    backend.answers["/base/teapot"] = (418, {"x-own": "1", "set-cookie": "a=b"}, b"short")

    asked = call(f"{api.url}/shop/a%20b/c?x=1&y=%26", "PATCH", b"hello", {"X-Own": "v", "Content-Type": "text/plain"}).json()
    assert (asked["method"], asked["path"], asked["body"]) == ("PATCH", "/base/a%20b/c?x=1&y=%26", "hello")
    headers = asked["headers"]
    assert (headers["x-own"], headers["content-type"], headers["via"]) == ("v", "text/plain", "HTTP/1.1 AmazonAPIGateway")
    assert headers["host"] == backend.url.split("//")[1] and "for=127.0.0.1" in headers["forwarded"] and headers["x-forwarded-for"] == "127.0.0.1"
    asked = call(f"{api.url}/item/a%2Fb?more=2", "POST").json()
    assert (asked["method"], asked["path"]) == ("PUT", "/items/a/b?fixed=1&more=2")
    answer = call(f"{api.url}/shop/teapot")
    assert (answer.status, answer.headers["x-own"], answer.headers["set-cookie"], answer.body) == (418, "1", "a=b", b"short")
    assert answer.headers["apigw-requestid"]


def test_an_api_can_be_made_of_one_url(client, backend, call, error):
    gateway = client("apigatewayv2")
    api = gateway.create_api(Name="q", ProtocolType="HTTP", Target=f"{backend.url}/root")
    assert call(f"{api['ApiEndpoint']}/a/b?c=d").json()["path"] == "/root/a/b?c=d"
    integration = gateway.get_integrations(ApiId=api["ApiId"])["Items"][0]
    assert (integration["IntegrationType"], integration["IntegrationMethod"], integration["ApiGatewayManaged"]) == ("HTTP_PROXY", "ANY", True)
    gateway.update_api(ApiId=api["ApiId"], Target=f"{backend.url}/new", RouteKey="GET /only")
    assert call(f"{api['ApiEndpoint']}/only").json()["path"] == "/new"
    assert call(f"{api['ApiEndpoint']}/a/b").status == 404
    plain = gateway.create_api(Name="p", ProtocolType="HTTP")
    assert error(gateway.update_api, ApiId=plain["ApiId"], Target=backend.url)[0] == "BadRequestException"
    assert error(gateway.create_api, Name="p", ProtocolType="HTTP", Target="nonsense")[0] == "BadRequestException"


def test_servers_that_do_not_answer(new_api, backend, call):
    api = new_api()
    http = lambda uri, **more: api.integration(IntegrationType="HTTP_PROXY", IntegrationUri=uri, IntegrationMethod="GET", PayloadFormatVersion="1.0", **more)
    api.route("GET /slow", http(f"{backend.url}/slow", TimeoutInMillis=100))
    api.route("GET /gone", http("http://127.0.0.1:9/x"))
    for path in ("slow", "gone"):
        answer = call(f"{api.url}/{path}")
        assert (answer.status, answer.body) == (503, b'{"message":"Service Unavailable"}'), path


def test_requests_that_go_round_end(new_api, call):
    api = new_api()
    to = api.integration(IntegrationType="HTTP_PROXY", IntegrationUri=f"https://{api.id}.execute-api.us-east-1.amazonaws.com", IntegrationMethod="ANY", PayloadFormatVersion="1.0")
    api.route("$default", to)
    assert call(f"{api.url}/x").status == 500


def test_one_api_leads_to_another(new_api, function, call, cloud):
    behind, front = new_api(), new_api()
    behind.route("GET /b/{x}", behind.to_function(function()))
    by_name = front.integration(IntegrationType="HTTP_PROXY", IntegrationUri=f"https://{behind.id}.execute-api.us-east-1.amazonaws.com/b/{{x}}", IntegrationMethod="GET", PayloadFormatVersion="1.0")
    by_path = front.integration(IntegrationType="HTTP_PROXY", IntegrationUri=f"{cloud.url}/_aws/execute-api/{behind.id}/b/{{x}}", IntegrationMethod="GET", PayloadFormatVersion="1.0")
    front.route("GET /name/{x}", by_name)
    front.route("GET /path/{x}", by_path)
    for way in ("name", "path"):
        event = call(f"{front.url}/{way}/1?q=2").json()
        assert (event["requestContext"]["apiId"], event["pathParameters"], event["rawQueryString"]) == (behind.id, {"x": "1"}, "q=2")
        assert event["headers"]["via"] == "HTTP/1.1 AmazonAPIGateway"


def test_stage_variables_choose_the_server(new_api, backend, call):
    api = new_api()
    host = backend.url.split("//")[1]
    to = api.integration(IntegrationType="HTTP_PROXY", IntegrationUri="http://${stageVariables.host}/v/${stageVariables.version}", IntegrationMethod="GET", PayloadFormatVersion="1.0")
    api.route("GET /x", to)
    api.gateway.update_stage(ApiId=api.id, StageName="$default", StageVariables={"host": host, "version": "2"})
    assert call(f"{api.url}/x").json()["path"] == "/v/2"


def test_parameters_are_mapped_on_the_way_in_and_out(new_api, function, backend, call):
    api = new_api()
    to = api.integration(
        IntegrationType="HTTP_PROXY", IntegrationUri=f"{backend.url}/old/{{id}}", IntegrationMethod="ANY", PayloadFormatVersion="1.0",
        RequestParameters={
            "overwrite:path": "/new/${request.path.id}/${context.stage}",
            "append:header.X-Added": "$request.querystring.a",
            "overwrite:header.x-who": "$request.header.User-Agent",
            "remove:header.x-secret": "",
            "append:querystring.item": "$request.body.order.items[1]",
            "remove:querystring.a": "",
            "overwrite:querystring.v": "$stageVariables.version",
            "append:header.x-none": "$request.header.nothing",
        },
        ResponseParameters={
            "200": {"overwrite:statuscode": "202", "append:header.x-path": "$response.body.path", "remove:header.content-type": "", "append:header.x-id": "$context.requestId"},
            "418": {"overwrite:statuscode": "$stageVariables.teapot"},
        },
    )
    api.route("POST /in/{id}", to)
    api.gateway.update_stage(ApiId=api.id, StageName="$default", StageVariables={"version": "7", "teapot": "400"})
    answer = call(f"{api.url}/in/x%20y?a=1&b=2", "POST", json.dumps({"order": {"items": ["p", "q"]}}), {"User-Agent": "me", "X-Secret": "s"})
    asked = answer.json()
    assert asked["path"] == "/new/x%20y/$default?b=2&item=q&v=7"
    headers = asked["headers"]
    assert (headers["x-added"], headers["x-who"]) == ("1", "me") and "x-secret" not in headers and "x-none" not in headers
    assert answer.status == 202 and answer.headers["x-path"] == asked["path"] and answer.headers["content-type"] is None
    assert answer.headers["x-id"] == answer.headers["apigw-requestid"]
    backend.answers["/new/t/$default"] = (418, {}, b"")
    assert call(f"{api.url}/in/t", "POST").status == 400

    # A function gets the changed request, and its answer is changed as well.
    to = api.to_function(function(), RequestParameters={"append:header.added": "$context.routeKey", "overwrite:querystring.q": "new"}, ResponseParameters={"200": {"append:header.x-out": "static"}})
    api.route("GET /f", to)
    answer = call(f"{api.url}/f?q=old")
    event = answer.json()
    assert (event["headers"]["added"], event["queryStringParameters"], answer.headers["x-out"]) == ("GET /f", {"q": "new"}, "static")


def test_mappings_that_cannot_be_are_refused(new_api, error, function):
    api = new_api()
    make = lambda **more: error(api.gateway.create_integration, **{"ApiId": api.id, "IntegrationType": "HTTP_PROXY", "IntegrationUri": "http://x", "IntegrationMethod": "GET", "PayloadFormatVersion": "1.0", **more})
    code, message = make(RequestParameters={"overwrite:header.Authorization": "x"})
    assert (code, message) == ("BadRequestException", "Operations on header authorization are restricted")
    assert make(RequestParameters={"header.x": "y"})[0] == "BadRequestException"
    assert make(ResponseParameters={"200": {"append:header.x-amz-date": "y"}})[0] == "BadRequestException"
    assert make(ResponseParameters={"abc": {}})[0] == "BadRequestException"
    assert make(IntegrationUri="x")[0] == "BadRequestException"
    assert make(IntegrationMethod="FETCH")[0] == "BadRequestException"
    assert make(TimeoutInMillis=30001)[0] == "BadRequestException"
    code, _ = error(api.gateway.create_integration, ApiId=api.id, IntegrationType="HTTP_PROXY", IntegrationUri="http://x", PayloadFormatVersion="1.0")
    assert code == "BadRequestException", "a server's method has to be named"
    assert make(IntegrationType="MOCK")[0] == "BadRequestException"
    assert make(ConnectionType="VPC_LINK", ConnectionId="nope")[0] == "BadRequestException"
    assert api.gateway.get_integrations(ApiId=api.id)["Items"] == []


@pytest.fixture
def role(account):
    return f"arn:aws:iam::{account}:role/gateway"


def test_requests_become_messages(new_api, client, role, call, error):
    sqs = client("sqs")
    queue = sqs.create_queue(QueueName="q")["QueueUrl"]
    api = new_api()
    service = lambda subtype, **parameters: api.integration(IntegrationType="AWS_PROXY", IntegrationSubtype=subtype, CredentialsArn=role, PayloadFormatVersion="1.0", RequestParameters=parameters)
    api.route("POST /send", service("SQS-SendMessage", QueueUrl=queue, MessageBody="$request.body.text", DelaySeconds="0", MessageAttributes='{"who": {"DataType": "String", "StringValue": "${request.querystring.who}"}}'))
    api.route("GET /receive", service("SQS-ReceiveMessage", QueueUrl=queue, MaxNumberOfMessages="$request.querystring.n", MessageAttributeNames='["All"]'))
    api.route("DELETE /{handle}", service("SQS-DeleteMessage", QueueUrl=queue, ReceiptHandle="$request.path.handle"))
    api.route("POST /purge", service("SQS-PurgeQueue", QueueUrl=queue))
    sent = call(f"{api.url}/send?who=me", "POST", json.dumps({"text": "hello"}))
    assert sent.status == 200 and sent.json()["MessageId"]
    message = call(f"{api.url}/receive?n=5").json()["Messages"][0]
    assert (message["Body"], message["MessageAttributes"]["who"]["StringValue"]) == ("hello", "me")
    assert call(f"{api.url}/{message['ReceiptHandle']}", "DELETE").status == 200
    attributes = lambda: sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"]
    assert attributes()["ApproximateNumberOfMessagesNotVisible"] == "0"
    # A parameter that is missing or wrong sends nothing.
    assert call(f"{api.url}/send", "POST", "{}").status == 400
    assert call(f"{api.url}/receive?n=x").status == 400
    assert call(f"{api.url}/send?who=me", "POST", json.dumps({"text": "again"})).status == 200
    assert call(f"{api.url}/purge", "POST").status == 200
    deadline = time.monotonic() + 30
    while attributes()["ApproximateNumberOfMessages"] != "0":
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_service_integrations_are_checked_when_they_are_made(new_api, role, error):
    api = new_api()
    make = lambda subtype, parameters, **more: error(
        api.gateway.create_integration,
        **{"ApiId": api.id, "IntegrationType": "AWS_PROXY", "IntegrationSubtype": subtype, "CredentialsArn": role, "PayloadFormatVersion": "1.0", "RequestParameters": parameters, **more},
    )
    code, message = make("AppConfig-GetConfiguration", {"Application": "a", "Environment": "e", "Configuration": "c", "ClientId": "i"})
    assert code == "NotImplemented" and "AppConfig-GetConfiguration" in message
    assert make("SQS-SendMessage", {"QueueUrl": "q"})[0] == "BadRequestException"
    assert make("SQS-SendMessage", {"QueueUrl": "q", "MessageBody": "b", "Nonsense": "x"})[0] == "BadRequestException"
    assert make("SQS-Nothing", {})[0] == "BadRequestException"
    assert make("SQS-PurgeQueue", {"QueueUrl": "q"}, CredentialsArn="arn:aws:iam::999999999999:role/r")[0] == "BadRequestException"
    assert make("SQS-PurgeQueue", {"QueueUrl": "q"}, PayloadFormatVersion="2.0")[0] == "BadRequestException"


def test_vpc_links_are_kept_and_lead_to_hosts(new_api, client, backend, call, error):
    api, gateway = new_api(), client("apigatewayv2")
    link = gateway.create_vpc_link(Name="l", SubnetIds=["subnet-1"], SecurityGroupIds=["sg-1"], Tags={"a": "b"})
    assert (link["VpcLinkStatus"], link["VpcLinkVersion"], link["Tags"]) == ("AVAILABLE", "V2", {"a": "b"})
    id = link["VpcLinkId"]
    assert gateway.update_vpc_link(VpcLinkId=id, Name="m")["Name"] == "m"
    assert gateway.get_vpc_link(VpcLinkId=id)["SubnetIds"] == ["subnet-1"]
    assert [l["VpcLinkId"] for l in gateway.get_vpc_links()["Items"]] == [id]
    private = {"IntegrationType": "HTTP_PROXY", "IntegrationMethod": "GET", "PayloadFormatVersion": "1.0", "ConnectionType": "VPC_LINK", "ConnectionId": id}
    api.route("GET /p", api.integration(**private, IntegrationUri=f"{backend.url}/p"))
    assert call(f"{api.url}/p").json()["path"] == "/p"
    code, message = error(gateway.create_integration, ApiId=api.id, **private, IntegrationUri="arn:aws:elasticloadbalancing:us-east-1:1:listener/app/x/y/z")
    assert code == "NotImplemented" and "elasticloadbalancing" in message
    gateway.delete_vpc_link(VpcLinkId=id)
    assert error(gateway.get_vpc_link, VpcLinkId=id)[0] == "NotFoundException"
