"""Stages of HTTP APIs: limits, access logs, settings of routes; and the endpoint that can be closed."""

import json
import time


def api_of(new_api, function, *keys):
    api = new_api()
    to = api.to_function(function())
    for key in keys or ("GET /a",):
        api.route(key, to)
    return api


def test_routes_are_throttled(new_api, function, call):
    api = api_of(new_api, function, "GET /a", "GET /b", "GET /c")
    # A second in this cloud is one on the clock: so slow a rate gives nothing back while the test runs.
    api.gateway.update_stage(
        ApiId=api.id, StageName="$default",
        DefaultRouteSettings={"ThrottlingRateLimit": 0.001, "ThrottlingBurstLimit": 2},
        RouteSettings={"GET /b": {"ThrottlingRateLimit": 0.001, "ThrottlingBurstLimit": 1}},
    )
    assert [call(f"{api.url}/a").status for _ in range(3)] == [200, 200, 429]
    assert [call(f"{api.url}/b").status for _ in range(2)] == [200, 429]
    answer = call(f"{api.url}/b")
    assert answer.body == b'{"message":"Too Many Requests"}'
    assert call(f"{api.url}/c").status == 200, "each route has a bucket of its own"
    api.gateway.delete_route_settings(ApiId=api.id, StageName="$default", RouteKey="GET /b")
    assert [call(f"{api.url}/b").status for _ in range(3)] == [200, 200, 429]
    stage = api.gateway.get_stage(ApiId=api.id, StageName="$default")
    assert stage["RouteSettings"] == {} and stage["DefaultRouteSettings"]["ThrottlingBurstLimit"] == 2


def lines(logs, group, count):
    deadline = time.monotonic() + 30
    while True:
        events = logs.filter_log_events(logGroupName=group)["events"]
        if len(events) >= count:
            return sorted((event["message"] for event in events))
        assert time.monotonic() < deadline, events
        time.sleep(0.05)


def test_requests_are_logged(new_api, function, backend, issuer, call, client, account, error):
    logs = client("logs")
    logs.create_log_group(logGroupName="/gw")
    api = api_of(new_api, function)
    group = f"arn:aws:logs:us-east-1:{account}:log-group:/gw"
    form = {
        "n": "$context.requestId", "ip": "$context.identity.sourceIp", "m": "$context.httpMethod", "r": "$context.routeKey", "s": "$context.status",
        "len": "$context.responseLength", "err": "$context.error.message", "sub": "$context.authorizer.claims.sub", "is": "$context.integrationStatus", "api": "$context.apiId",
        "why": "$context.authorizer.error",
    }
    api.gateway.update_stage(ApiId=api.id, StageName="$default", AccessLogSettings={"DestinationArn": group, "Format": json.dumps(form)})
    jwt = {"Issuer": issuer.url, "Audience": ["app"]}
    auth = api.authorizer(AuthorizerType="JWT", IdentitySource=["$request.header.Authorization"], JwtConfiguration=jwt)
    api.route("GET /j", api.to_function(function("other")), AuthorizationType="JWT", AuthorizerId=auth)
    good = call(f"{api.url}/a")
    assert call(f"{api.url}/nope").status == 404
    assert call(f"{api.url}/j").status == 401
    assert call(f"{api.url}/j", headers={"Authorization": issuer.token()}).status == 200
    assert call(f"{api.url}/j", headers={"Authorization": issuer.token(aud="x")}).status == 401
    logged = [json.loads(line) for line in lines(logs, "/gw", 5)]
    by_id = {line["n"]: line for line in logged}
    line = by_id[good.headers["apigw-requestid"]]
    assert (line["ip"], line["m"], line["r"], line["s"], line["is"], line["err"], line["sub"]) == ("127.0.0.1", "GET", "GET /a", "200", "200", "-", "-")
    assert (line["len"], line["api"]) == (str(len(good.body)), api.id)
    assert sorted((line["s"], line["r"], line["sub"], line["err"]) for line in logged) == [
        ("200", "GET /a", "-", "-"),
        ("200", "GET /j", "me", "-"),
        ("401", "GET /j", "-", "Unauthorized"),
        ("401", "GET /j", "-", "Unauthorized"),
        ("404", "-", "-", "Not Found"),
    ]
    assert "the token does not have a valid audience" in {line["why"] for line in logged}
    api.gateway.delete_access_log_settings(ApiId=api.id, StageName="$default")
    assert "AccessLogSettings" not in api.gateway.get_stage(ApiId=api.id, StageName="$default")
    assert call(f"{api.url}/a").status == 200
    for arn in (f"arn:aws:logs:us-east-1:999999999999:log-group:/gw", "nonsense"):
        settings = {"DestinationArn": arn, "Format": "$context.requestId"}
        assert error(api.gateway.update_stage, ApiId=api.id, StageName="$default", AccessLogSettings=settings)[0] == "BadRequestException"
    settings = {"DestinationArn": f"arn:aws:firehose:us-east-1:{account}:deliverystream/d", "Format": "$context.requestId"}
    assert error(api.gateway.update_stage, ApiId=api.id, StageName="$default", AccessLogSettings=settings)[0] == "NotImplemented"


def test_maps_are_changed_key_by_key(new_api, function):
    api = api_of(new_api, function)
    change = lambda **more: api.gateway.update_stage(ApiId=api.id, StageName="$default", **more)
    change(StageVariables={"a": "1", "b": "2"}, RouteSettings={"GET /a": {"ThrottlingBurstLimit": 5}})
    assert change(StageVariables={"b": "", "c": "3"})["StageVariables"] == {"a": "1", "c": "3"}
    assert change(RouteSettings={})["RouteSettings"] == {"GET /a": {"ThrottlingBurstLimit": 5}}
    to = api.to_function(function("f"), RequestParameters={"append:header.a": "1", "append:header.b": "2"}, ResponseParameters={"200": {"append:header.c": "3"}})
    changed = api.gateway.update_integration(ApiId=api.id, IntegrationId=to, RequestParameters={"append:header.a": ""}, ResponseParameters={"200": {}})
    assert (changed["RequestParameters"], changed["ResponseParameters"]) == ({"append:header.b": "2"}, {})


def test_the_endpoint_can_be_closed(new_api, function, call):
    api = api_of(new_api, function)
    api.gateway.update_api(ApiId=api.id, DisableExecuteApiEndpoint=True)
    assert call(f"{api.url}/a").status == 404
    api.gateway.update_api(ApiId=api.id, DisableExecuteApiEndpoint=False)
    assert call(f"{api.url}/a").status == 200


def test_request_parameters_of_routes_can_be_taken_off(new_api, function, error):
    api = api_of(new_api, function)
    route = api.gateway.create_route(ApiId=api.id, RouteKey="GET /p", RequestParameters={"route.request.querystring.a": {"Required": True}})["RouteId"]
    api.gateway.delete_route_request_parameter(ApiId=api.id, RouteId=route, RequestParameterKey="route.request.querystring.a")
    assert not api.gateway.get_route(ApiId=api.id, RouteId=route).get("RequestParameters")
    assert error(api.gateway.delete_route_request_parameter, ApiId=api.id, RouteId=route, RequestParameterKey="x")[0] == "NotFoundException"
    assert error(api.gateway.update_stage, ApiId=api.id, StageName="$default", RouteSettings={"GET /none": {}})[0] == "NotFoundException"


def test_cross_origin_callers_see_refusals(new_api, function, call):
    api = new_api(CorsConfiguration={"AllowOrigins": ["https://x.test"]})
    api.route("GET /a", api.to_function(function()), AuthorizationType="AWS_IAM")
    answer = call(f"{api.url}/a", headers={"Origin": "https://x.test"})
    assert answer.status == 403 and answer.headers["access-control-allow-origin"] == "https://x.test"
