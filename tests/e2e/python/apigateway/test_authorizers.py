"""Lambda authorizers and IAM authorization of HTTP APIs."""

import json

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import pytest

# Counts its calls; says what the token asks it to say.
AUTHORIZER = """
let calls = 0;
exports.handler = async (event) => {
  calls += 1;
  const token = [].concat(event.identitySource)[0];
  if (token === "throw") throw new Error("Unauthorized");
  if (token === "garbage") return { isAuthorized: "yes" };
  const context = { calls, asked: JSON.stringify(event), flag: true };
  if (process.env.SIMPLE || event.version === "2.0" && token.startsWith("simple")) return { isAuthorized: token !== "simple-no", context };
  const resource = token === "a-only" ? (event.routeArn || event.methodArn).replace(/[^/]*$/, "a") : "*";
  const Statement = [{ Action: "execute-api:Invoke", Effect: token === "deny" ? "Deny" : "Allow", Resource: resource }];
  return { principalId: "me", policyDocument: { Version: "2012-10-17", Statement }, context };
};
"""


@pytest.fixture
def api(new_api, function):
    api = new_api()
    api.function, api.arn = function(), function("auth", AUTHORIZER)
    api.to = api.to_function(api.function)
    return api


def guard(api, name, to=None, **more):
    authorizer = api.authorizer(
        **{"Name": name, "AuthorizerType": "REQUEST", "AuthorizerUri": api.arn, "AuthorizerPayloadFormatVersion": "2.0", "IdentitySource": ["$request.header.token"], **more}
    )
    api.route(f"GET /{name}/{{p}}", to or api.to, AuthorizationType="CUSTOM", AuthorizerId=authorizer)
    return authorizer


def test_simple_answers_let_in_or_not(api, call, account):
    auth = guard(api, "s", EnableSimpleResponses=True)
    answer = call(f"{api.url}/s/x?q=1", headers={"token": "simple-yes"})
    lam = answer.json()["requestContext"]["authorizer"]
    assert set(lam) == {"lambda"} and lam["lambda"]["flag"] is True
    asked = json.loads(lam["lambda"]["asked"])
    assert (asked["version"], asked["type"], asked["identitySource"]) == ("2.0", "REQUEST", ["simple-yes"])
    assert asked["routeArn"] == f"arn:aws:execute-api:us-east-1:{account}:{api.id}/$default/GET/s/x"
    assert (asked["routeKey"], asked["rawPath"], asked["pathParameters"]) == ("GET /s/{p}", "/s/x", {"p": "x"})
    assert asked["queryStringParameters"] == {"q": "1"} and "body" not in asked and "isBase64Encoded" not in asked
    answer = call(f"{api.url}/s/x", headers={"token": "simple-no"})
    assert (answer.status, answer.body) == (403, b'{"message":"Forbidden"}')
    answer = call(f"{api.url}/s/x")
    assert (answer.status, answer.body) == (401, b'{"message":"Unauthorized"}')
    for token in ("throw", "garbage"):
        answer = call(f"{api.url}/s/x", headers={"token": token})
        assert (answer.status, answer.body) == (500, b'{"message":"Internal Server Error"}'), token
    # Without a time to live nothing is remembered.
    twice = [call(f"{api.url}/s/x", headers={"token": "simple-yes"}).json()["requestContext"]["authorizer"]["lambda"]["calls"] for _ in range(2)]
    assert twice[0] != twice[1]
    assert api.gateway.get_authorizer(ApiId=api.id, AuthorizerId=auth)["EnableSimpleResponses"] is True


def test_policies_are_evaluated_for_each_request(api, call, account):
    guard(api, "p", to=api.to_function(api.function, PayloadFormatVersion="1.0"), AuthorizerPayloadFormatVersion="1.0", AuthorizerResultTtlInSeconds=300)
    event = call(f"{api.url}/p/a", headers={"token": "allow"}).json()
    authorizer = event["requestContext"]["authorizer"]
    assert (authorizer["principalId"], authorizer["flag"], authorizer["calls"]) == ("me", True, 1)
    asked = json.loads(authorizer["asked"])
    assert (asked["version"], asked["identitySource"], asked["authorizationToken"]) == ("1.0", "allow", "allow")
    assert asked["methodArn"] == f"arn:aws:execute-api:us-east-1:{account}:{api.id}/$default/GET/p/a"
    assert call(f"{api.url}/p/a", headers={"token": "deny"}).status == 403
    # The policy is remembered, not what came of it.
    assert call(f"{api.url}/p/a", headers={"token": "a-only"}).status == 200
    assert call(f"{api.url}/p/b", headers={"token": "a-only"}).status == 403


def test_answers_are_remembered_for_their_time(api, call, cloud):
    import urllib.request

    guard(api, "c", IdentitySource=["$request.header.token", "$request.querystring.q"], AuthorizerResultTtlInSeconds=60, EnableSimpleResponses=True)
    count = lambda q="1": call(f"{api.url}/c/x?q={q}", headers={"token": "simple"}).json()["requestContext"]["authorizer"]["lambda"]["calls"]
    assert [count(), count(), count("2"), count()] == [1, 1, 2, 1]
    assert call(f"{api.url}/c/x", headers={"token": "simple"}).status == 401, "every identity source has to be there"
    api.gateway.reset_authorizers_cache(ApiId=api.id, StageName="$default")
    assert [count(), count()] == [3, 3]


def test_authorizers_need_what_they_are_made_of(api, error):
    create = lambda **more: error(
        api.gateway.create_authorizer,
        **{"ApiId": api.id, "Name": "x", "AuthorizerType": "REQUEST", "AuthorizerUri": api.arn, "AuthorizerPayloadFormatVersion": "2.0", "IdentitySource": [], **more},
    )[0]
    assert create(AuthorizerPayloadFormatVersion="3.0") == "BadRequestException"
    assert create(AuthorizerPayloadFormatVersion="1.0", EnableSimpleResponses=True) == "BadRequestException"
    assert create(AuthorizerResultTtlInSeconds=5) == "BadRequestException"
    assert create(AuthorizerUri="https://x") == "BadRequestException"
    assert create(AuthorizerCredentialsArn="arn:aws:iam::999999999999:role/other") == "BadRequestException"


def sign(url, key, secret="secret", method="GET"):
    request = botocore.awsrequest.AWSRequest(method, url)
    credentials = botocore.credentials.Credentials(key, secret)
    botocore.auth.SigV4Auth(credentials, "execute-api", "us-east-1").add_auth(request)
    return dict(request.headers)


def test_signatures_tell_who_calls(api, call, account):
    api.route("GET /iam", api.to, AuthorizationType="AWS_IAM")
    api.route("GET /one", api.to_function(api.function, PayloadFormatVersion="1.0"), AuthorizationType="AWS_IAM")
    answer = call(f"{api.url}/iam")
    assert (answer.status, answer.body) == (403, b'{"message":"Forbidden"}')
    url = f"{api.url}/iam"
    iam = call(url, headers=sign(url, account)).json()["requestContext"]["authorizer"]["iam"]
    assert (iam["accountId"], iam["accessKey"], iam["userArn"]) == (account, account, f"arn:aws:iam::{account}:root")
    assert {"callerId", "userId", "cognitoIdentity", "principalOrgId"} < set(iam)
    url = f"{api.url}/one"
    identity = call(url, headers=sign(url, account)).json()["requestContext"]["identity"]
    assert (identity["accountId"], identity["userArn"]) == (account, f"arn:aws:iam::{account}:root")


def test_in_secure_mode_policies_decide(secure_cloud, call):
    """Signatures are verified, callers have to be allowed, and functions have to let the API call them."""
    lam, gateway, iam = (secure_cloud.client(name) for name in ("lambda", "apigatewayv2", "iam"))
    import io
    import ssl
    import urllib.error
    import urllib.request
    import zipfile

    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as z:
        info = zipfile.ZipInfo("index.js")
        info.external_attr = 0o644 << 16
        z.writestr(info, "exports.handler = async (event) => ({ user: event.requestContext.authorizer?.iam?.userArn ?? 'nobody' });")
    trust = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]})
    role = iam.create_role(RoleName="r", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    arn = lam.create_function(FunctionName="f", Runtime="nodejs20.x", Role=role, Handler="index.handler", Code={"ZipFile": out.getvalue()})["FunctionArn"]
    api = gateway.create_api(Name="a", ProtocolType="HTTP")["ApiId"]
    gateway.create_stage(ApiId=api, StageName="$default", AutoDeploy=True)
    to = gateway.create_integration(ApiId=api, IntegrationType="AWS_PROXY", IntegrationUri=arn, PayloadFormatVersion="2.0")["IntegrationId"]
    gateway.create_route(ApiId=api, RouteKey="GET /open", Target=f"integrations/{to}")
    gateway.create_route(ApiId=api, RouteKey="GET /iam/{p}", Target=f"integrations/{to}", AuthorizationType="AWS_IAM")
    trusted = ssl.create_default_context(cafile=str(secure_cloud.folder / "authority/ca.pem"))

    def get(path, key=None, tamper=None):
        url = f"{secure_cloud.url}/_aws/execute-api/{api}{path}"
        headers = sign(url, *key) if key else {}
        if tamper:
            headers["Authorization"] = headers["Authorization"][:-4] + "0000"
        try:
            with urllib.request.urlopen(urllib.request.Request(url, headers=headers), context=trusted) as response:
                return response.status, response.read()
        except urllib.error.HTTPError as e:
            return e.code, e.read()

    broken = (500, b'{"message":"Internal Server Error"}')
    assert get("/open") == broken, "the function does not let the API call it"
    account = arn.split(":")[4]
    permit = lambda sid, source: lam.add_permission(FunctionName="f", StatementId=sid, Action="lambda:InvokeFunction", Principal="apigateway.amazonaws.com", SourceArn=source)
    permit("other", f"arn:aws:execute-api:us-east-1:{account}:other/*")
    assert get("/open") == broken, "it lets another API"
    permit("open", f"arn:aws:execute-api:us-east-1:{account}:{api}/*/GET/open")
    assert get("/open") == (200, b'{"user":"nobody"}')

    iam.create_user(UserName="u")
    key = iam.create_access_key(UserName="u")["AccessKey"]
    key = (key["AccessKeyId"], key["SecretAccessKey"])
    forbidden = (403, b'{"message":"Forbidden"}')
    permit("iam", f"arn:aws:execute-api:us-east-1:{account}:{api}/*/*/iam/*")
    assert get("/iam/a", key) == forbidden, "the user may not call the API"
    allow = {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": f"arn:aws:execute-api:us-east-1:{account}:{api}/$default/GET/iam/a"}
    iam.put_user_policy(UserName="u", PolicyName="p", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [allow]}))
    assert get("/iam/a", key) == (200, json.dumps({"user": f"arn:aws:iam::{account}:user/u"}, separators=(",", ":")).encode())
    assert get("/iam/b", key) == forbidden
    assert get("/iam/a", key, tamper=True) == forbidden
    assert get("/iam/a") == forbidden


def test_in_secure_mode_an_integration_can_do_what_its_role_can(secure_cloud):
    import ssl
    import urllib.error
    import urllib.request

    sqs, gateway, iam = (secure_cloud.client(name) for name in ("sqs", "apigatewayv2", "iam"))
    trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "apigateway.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
    role = iam.create_role(RoleName="gateway", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    queue = sqs.create_queue(QueueName="q")["QueueUrl"]
    api = gateway.create_api(Name="a", ProtocolType="HTTP")["ApiId"]
    gateway.create_stage(ApiId=api, StageName="$default", AutoDeploy=True)
    to = gateway.create_integration(
        ApiId=api, IntegrationType="AWS_PROXY", IntegrationSubtype="SQS-SendMessage", CredentialsArn=role, PayloadFormatVersion="1.0",
        RequestParameters={"QueueUrl": queue, "MessageBody": "$request.body"},
    )["IntegrationId"]
    gateway.create_route(ApiId=api, RouteKey="POST /send", Target=f"integrations/{to}")
    trusted = ssl.create_default_context(cafile=str(secure_cloud.folder / "authority/ca.pem"))

    def post():
        request = urllib.request.Request(f"{secure_cloud.url}/_aws/execute-api/{api}/send", data=b"hello", method="POST")
        try:
            with urllib.request.urlopen(request, context=trusted) as response:
                return response.status
        except urllib.error.HTTPError as e:
            return e.code

    count = lambda: sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"]["ApproximateNumberOfMessages"]
    assert (post(), count()) == (403, "0")
    allow = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "*"}]}
    iam.put_role_policy(RoleName="gateway", PolicyName="p", PolicyDocument=json.dumps(allow))
    assert (post(), count()) == (200, "1")
    # Whoever makes the integration has to be allowed to pass the role on.
    iam.create_user(UserName="u")
    key = iam.create_access_key(UserName="u")["AccessKey"]
    only = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "apigateway:*", "Resource": "*"}]}
    iam.put_user_policy(UserName="u", PolicyName="p", PolicyDocument=json.dumps(only))
    user = secure_cloud.client("apigatewayv2", key=key["AccessKeyId"], secret=key["SecretAccessKey"])
    make = lambda **more: user.create_integration(ApiId=api, IntegrationType="AWS_PROXY", PayloadFormatVersion="1.0", **more)
    with pytest.raises(user.exceptions.ClientError) as refused:
        make(IntegrationSubtype="SQS-PurgeQueue", CredentialsArn=role, RequestParameters={"QueueUrl": queue})
    assert "iam:PassRole" in str(refused.value)
    assert make(IntegrationUri="arn:aws:lambda:us-east-1:000000000000:function:f")["IntegrationId"]
