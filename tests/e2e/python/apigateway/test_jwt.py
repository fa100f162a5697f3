"""JWT authorizers: tokens of an OpenID issuer in front of routes."""

import json
import time

import pytest

UNAUTHORIZED = b'{"message":"Unauthorized"}'


@pytest.fixture
def api(new_api, function, issuer):
    api = new_api()
    to = api.to_function(function())
    jwt = {"Issuer": issuer.url, "Audience": ["other", "app"]}
    api.auth = api.authorizer(AuthorizerType="JWT", IdentitySource=["$request.header.Authorization"], JwtConfiguration=jwt)
    api.route("GET /me", to, AuthorizationType="JWT", AuthorizerId=api.auth)
    api.route("GET /admin", to, AuthorizationType="JWT", AuthorizerId=api.auth, AuthorizationScopes=["admin", "root"])
    api.route("GET /open", to)
    return api


def test_a_token_lets_in_and_its_claims_go_on(api, issuer, call):
    token = issuer.token(groups=["a", "b"], level=3, ok=True)
    for given in (token, f"Bearer {token}", f"bearer {token}"):
        answer = call(f"{api.url}/me", headers={"Authorization": given})
        assert answer.status == 200, answer.body
    jwt = answer.json()["requestContext"]["authorizer"]["jwt"]
    assert jwt["scopes"] is None
    claims = jwt["claims"]
    assert (claims["sub"], claims["groups"], claims["level"], claims["ok"], claims["iss"]) == ("me", "[a b]", "3", "true", issuer.url)
    assert "authorizer" not in call(f"{api.url}/open").json()["requestContext"]
    # Keys are asked for once.
    assert [asked["path"] for asked in issuer.asked] == ["/.well-known/openid-configuration", "/keys"]


def test_access_tokens_of_cognito_name_their_client(api, issuer, call):
    headers = {"Authorization": issuer.token(aud=None, client_id="app")}
    assert call(f"{api.url}/me", headers=headers).status == 200
    headers = {"Authorization": issuer.token(aud="x", client_id="app")}
    assert call(f"{api.url}/me", headers=headers).status == 401


def test_what_is_no_good_token_is_refused_and_told_why(api, issuer, call):
    answer = call(f"{api.url}/me")
    assert (answer.status, answer.body, answer.headers["www-authenticate"]) == (401, UNAUTHORIZED, "Bearer")
    now = int(time.time())
    good = issuer.token()
    head, payload, signature = good.split(".")
    for token, said in [
        (issuer.token(aud="x"), "the token does not have a valid audience"),
        (issuer.token(aud=None), "the token does not have a valid audience"),
        (issuer.token(iss="https://else"), "the token does not have a valid issuer"),
        (issuer.token(exp=now - 1), "the token has expired"),
        (issuer.token(exp=None), "the token does not have a valid expiration time"),
        (issuer.token(nbf=now + 60), "the token is not valid yet"),
        (issuer.token(algorithm="none"), "signing method none is invalid"),
        (issuer.token(key=1, kid="k0"), "signature is invalid"),
        (f"{head}.{payload}.{signature[:-8]}AAAAAAAA", "signature is invalid"),
        ("x", "token contains an invalid number of segments"),
        ("a.b.c", "the header of the token cannot be decoded"),
    ]:
        answer = call(f"{api.url}/me", headers={"Authorization": f"Bearer {token}"})
        assert (answer.status, answer.body) == (401, UNAUTHORIZED), said
        assert answer.headers["www-authenticate"] == f'Bearer scope="" error="invalid_token" error_description="{said}"'
    for algorithm in ("RS384", "RS512"):
        assert call(f"{api.url}/me", headers={"Authorization": issuer.token(algorithm=algorithm)}).status == 200


def test_scopes_are_asked_for(api, issuer, call):
    for scopes in ({"scope": "read admin"}, {"scp": ["root"]}):
        answer = call(f"{api.url}/admin", headers={"Authorization": issuer.token(**scopes)})
        assert answer.json()["requestContext"]["authorizer"]["jwt"]["scopes"] == ["admin", "root"]
    for scopes in ({}, {"scope": "read"}):
        answer = call(f"{api.url}/admin", headers={"Authorization": issuer.token(**scopes)})
        assert (answer.status, answer.body) == (403, b'{"message":"Forbidden"}')
        assert 'scope="admin root" error="insufficient_scope"' in answer.headers["www-authenticate"]


def test_a_new_key_is_asked_for_when_it_turns_up(api, issuer, call, cloud):
    assert call(f"{api.url}/me", headers={"Authorization": issuer.token()}).status == 200
    issuer.offer(1)
    token = issuer.token(key=1)
    deadline = time.monotonic() + 30
    # Not at once: an issuer is not asked again for every token that names a key.
    while call(f"{api.url}/me", headers={"Authorization": token}).status != 200:
        assert time.monotonic() < deadline
        time.sleep(0.3)
    assert len(issuer.asked) == 4


def test_an_issuer_that_cannot_be_asked_lets_nobody_in(api, issuer, call):
    issuer.answers["/keys"] = (500, {}, b"")
    answer = call(f"{api.url}/me", headers={"Authorization": issuer.token()})
    assert answer.status == 401 and "JWKS communication error" in answer.headers["www-authenticate"]


def test_the_query_string_can_hold_the_token(new_api, function, issuer, call):
    api = new_api()
    jwt = {"Issuer": f"{issuer.url}", "Audience": ["app"]}
    auth = api.authorizer(AuthorizerType="JWT", IdentitySource=["$request.querystring.t"], JwtConfiguration=jwt)
    api.route("$default", api.to_function(function(), PayloadFormatVersion="1.0"), AuthorizationType="JWT", AuthorizerId=auth)
    event = call(f"{api.url}/x?t={issuer.token()}").json()
    assert event["requestContext"]["authorizer"]["claims"]["sub"] == "me"
    assert call(f"{api.url}/x").status == 401


def test_authorizers_are_kept_changed_and_deleted(api, client, error, issuer, call):
    gateway = api.gateway
    kept = gateway.get_authorizer(ApiId=api.id, AuthorizerId=api.auth)
    assert (kept["Name"], kept["AuthorizerType"], kept["IdentitySource"]) == ("a", "JWT", ["$request.header.Authorization"])
    assert kept["JwtConfiguration"] == {"Issuer": issuer.url, "Audience": ["other", "app"]}
    assert [a["AuthorizerId"] for a in gateway.get_authorizers(ApiId=api.id)["Items"]] == [api.auth]
    assert error(gateway.delete_authorizer, ApiId=api.id, AuthorizerId=api.auth)[0] == "ConflictException"
    changed = gateway.update_authorizer(ApiId=api.id, AuthorizerId=api.auth, JwtConfiguration={"Issuer": issuer.url, "Audience": ["new"]})
    assert changed["JwtConfiguration"]["Audience"] == ["new"]
    assert call(f"{api.url}/me", headers={"Authorization": issuer.token()}).status == 401
    assert call(f"{api.url}/me", headers={"Authorization": issuer.token(aud="new")}).status == 200
    for route in gateway.get_routes(ApiId=api.id)["Items"]:
        route = gateway.update_route(ApiId=api.id, RouteId=route["RouteId"], AuthorizationType="NONE")
        assert "AuthorizerId" not in route
    assert call(f"{api.url}/me").status == 200
    gateway.delete_authorizer(ApiId=api.id, AuthorizerId=api.auth)
    assert error(gateway.get_authorizer, ApiId=api.id, AuthorizerId=api.auth)[0] == "NotFoundException"


def test_what_cannot_be_an_authorizer_is_refused(api, error):
    gateway = api.gateway
    jwt = {"Issuer": "https://i", "Audience": ["a"]}
    source = ["$request.header.Authorization"]
    refused = lambda **more: error(gateway.create_authorizer, **{"ApiId": api.id, "Name": "b", "AuthorizerType": "JWT", "IdentitySource": source, "JwtConfiguration": jwt, **more})
    for more in (
        {"JwtConfiguration": {"Issuer": "no url", "Audience": ["a"]}},
        {"JwtConfiguration": {"Issuer": "https://i"}},
        {"IdentitySource": ["$request.header.a", "$request.header.b"]},
        {"IdentitySource": ["header.a"]},
        {"IdentitySource": ["$stageVariables.a"]},
        {"AuthorizerType": "REQUEST"},
    ):
        assert refused(**more)[0] == "BadRequestException", more
    assert error(gateway.create_route, ApiId=api.id, RouteKey="GET /x", AuthorizationType="JWT")[0] == "BadRequestException"
    assert error(gateway.create_route, ApiId=api.id, RouteKey="GET /x", AuthorizationType="CUSTOM", AuthorizerId=api.auth)[0] == "BadRequestException"
    assert error(gateway.create_route, ApiId=api.id, RouteKey="GET /x", AuthorizationType="JWT", AuthorizerId="nope")[0] == "NotFoundException"
    assert error(gateway.create_route, ApiId=api.id, RouteKey="GET /x", AuthorizationType="AWS_IAM", AuthorizationScopes=["a"])[0] == "BadRequestException"
    assert len(gateway.get_authorizers(ApiId=api.id)["Items"]) == 1


def test_deployments_keep_their_authorizers(api, issuer, call):
    gateway = api.gateway
    deployment = gateway.create_deployment(ApiId=api.id, Description="one")
    gateway.create_stage(ApiId=api.id, StageName="prod", DeploymentId=deployment["DeploymentId"])
    gateway.update_authorizer(ApiId=api.id, AuthorizerId=api.auth, JwtConfiguration={"Issuer": issuer.url, "Audience": ["new"]})
    headers = {"Authorization": issuer.token()}
    assert call(f"{api.url}/prod/me", headers=headers).status == 200
    assert call(f"{api.url}/me", headers=headers).status == 401
    changed = gateway.update_deployment(ApiId=api.id, DeploymentId=deployment["DeploymentId"], Description="two")
    assert changed["Description"] == "two" and changed["DeploymentStatus"] == "DEPLOYED"


def test_an_imported_document_brings_its_authorizers(client, function, issuer, call, error):
    gateway = client("apigatewayv2")
    scheme = {"type": "oauth2", "x-amazon-apigateway-authorizer": {"type": "jwt", "identitySource": "$request.header.Authorization", "jwtConfiguration": {"issuer": issuer.url, "audience": ["app"]}}}
    integration = {"type": "aws_proxy", "httpMethod": "POST", "payloadFormatVersion": "2.0", "uri": function()}
    body = {
        "openapi": "3.0.1", "info": {"title": "t", "version": "1"},
        "paths": {"/a": {"get": {"x-amazon-apigateway-integration": integration, "security": [{"j": ["s"]}]}}},
        "components": {"securitySchemes": {"j": scheme}},
    }
    api = gateway.import_api(Body=json.dumps(body))
    gateway.create_stage(ApiId=api["ApiId"], StageName="$default", AutoDeploy=True)
    assert call(f"{api['ApiEndpoint']}/a").status == 401
    assert call(f"{api['ApiEndpoint']}/a", headers={"Authorization": issuer.token(scope="s")}).status == 200
    # What is exported makes the same API again.
    exported = json.loads(gateway.export_api(ApiId=api["ApiId"], Specification="OAS30", OutputType="JSON", StageName="$default")["body"].read())
    assert exported["paths"]["/a"]["get"]["security"] == [{"j": ["s"]}]
    again = gateway.reimport_api(ApiId=api["ApiId"], Body=json.dumps(exported))
    assert again["Name"] == "t" and len(gateway.get_authorizers(ApiId=api["ApiId"])["Items"]) == 1
    assert call(f"{api['ApiEndpoint']}/a", headers={"Authorization": issuer.token()}).status == 403
    assert error(gateway.export_api, ApiId=api["ApiId"], Specification="OAS31", OutputType="JSON")[0] == "BadRequestException"
    plain = gateway.export_api(ApiId=api["ApiId"], Specification="OAS30", OutputType="YAML", IncludeExtensions=False)["body"].read()
    assert b"x-amazon" not in plain
