"""HTTP APIs out of templates: CloudFormation's types, and SAM's `Auth` and `Domain`."""

import json

import pytest

from conftest import settled

CERTIFICATE = "arn:aws:acm:us-east-1:000000000000:certificate/1"
CODE = "exports.handler = async (event) => ({ statusCode: 200, headers: {}, body: JSON.stringify(event) })"
AUTHORIZER = "exports.handler = async (event) => ({ isAuthorized: event.headers.token === 'good', context: { who: 'lambda' } })"


def failures(client, stack):
    events = client("cloudformation").describe_stack_events(StackName=stack["StackId"])["StackEvents"]
    return [e["ResourceStatusReason"] for e in events if e["ResourceStatus"].endswith("FAILED")]


def output(stack, key):
    return next(o["OutputValue"] for o in stack["Outputs"] if o["OutputKey"] == key)


def template(backend, issuer, name, audience="app", more=None):
    part = lambda kind, **properties: {"Type": f"AWS::ApiGatewayV2::{kind}", "Properties": {"ApiId": {"Ref": "Api"}, **properties}}
    resources = {
        "Api": {"Type": "AWS::ApiGatewayV2::Api", "Properties": {"Name": "a", "ProtocolType": "HTTP"}},
        "Auth": part(
            "Authorizer", Name="jwt", AuthorizerType="JWT", IdentitySource=["$request.header.Authorization"],
            JwtConfiguration={"Issuer": issuer.url, "Audience": [audience]},
        ),
        "To": part(
            "Integration", IntegrationType="HTTP_PROXY", IntegrationMethod="ANY", IntegrationUri=f"{backend.url}/x", PayloadFormatVersion="1.0",
            RequestParameters={"append:header.x-route": "$context.routeKey"},
            ResponseParameters={"200": {"ResponseParameters": [{"Destination": "append:header.x-out", "Source": "1"}, {"Destination": "overwrite:statuscode", "Source": "201"}]}},
            ConnectionType="VPC_LINK", ConnectionId={"Ref": "Link"},
        ),
        "Route": part(
            "Route", RouteKey="GET /a", Target={"Fn::Join": ["/", ["integrations", {"Ref": "To"}]]},
            AuthorizationType="JWT", AuthorizerId={"Ref": "Auth"}, AuthorizationScopes=["s"],
        ),
        "Stage": {
            "DependsOn": "Route",
            **part(
                "Stage", StageName="$default", AutoDeploy=True,
                AccessLogSettings={"DestinationArn": {"Fn::GetAtt": ["Group", "Arn"]}, "Format": "$context.requestId $context.status"},
                RouteSettings={"GET /a": {"ThrottlingRateLimit": 100, "ThrottlingBurstLimit": 100}},
            ),
        },
        "Group": {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": "/template"}},
        "Link": {"Type": "AWS::ApiGatewayV2::VpcLink", "Properties": {"Name": "l", "SubnetIds": ["subnet-1"]}},
        "Name": {"Type": "AWS::ApiGatewayV2::DomainName", "Properties": {"DomainName": name, "DomainNameConfigurations": [{"CertificateArn": CERTIFICATE}]}},
        "Mapping": {"DependsOn": "Stage", **part("ApiMapping", DomainName={"Ref": "Name"}, Stage="$default", ApiMappingKey="v1")},
        **(more or {}),
    }
    outputs = {
        "Url": {"Value": {"Fn::GetAtt": ["Api", "ApiEndpoint"]}}, "Auth": {"Value": {"Fn::GetAtt": ["Auth", "AuthorizerId"]}},
        "Regional": {"Value": {"Fn::GetAtt": ["Name", "RegionalDomainName"]}}, "Api": {"Value": {"Ref": "Api"}},
    }
    return {"Resources": resources, "Outputs": outputs}


def test_every_type_is_made_changed_and_deleted(deploy, client, backend, issuer, account, cloud, call):
    name = f"t{account}.example.test"
    stack = deploy("s", template(backend, issuer, name))
    assert stack["StackStatus"] == "CREATE_COMPLETE", failures(client, stack)
    url, token = output(stack, "Url"), {"Authorization": issuer.token(scope="s")}
    answer = call(f"{url}/a", headers=token)
    assert (answer.status, answer.headers["x-out"], answer.json()["headers"]["x-route"]) == (201, "1", "GET /a")
    assert call(f"{url}/a").status == 401
    assert call(f"{cloud.url}/v1/a", headers=token, host=name).status == 201
    assert output(stack, "Regional").startswith("d-") and output(stack, "Auth")

    changed = template(backend, issuer, name, audience="new")
    stage = changed["Resources"]["Stage"]["Properties"]
    del stage["AccessLogSettings"], stage["RouteSettings"]["GET /a"]
    del changed["Resources"]["To"]["Properties"]["RequestParameters"]["append:header.x-route"]
    stack = deploy("s", changed, kind="UPDATE")
    assert stack["StackStatus"] == "UPDATE_COMPLETE", failures(client, stack)
    assert call(f"{url}/a", headers=token).status == 401
    answer = call(f"{url}/a", headers={"Authorization": issuer.token(aud="new", scope="s")})
    assert answer.status == 201 and "x-route" not in answer.json()["headers"]
    cloudformation, gateway = client("cloudformation"), client("apigatewayv2")
    stage = gateway.get_stage(ApiId=output(stack, "Api"), StageName="$default")
    assert stage["RouteSettings"] == {} and "AccessLogSettings" not in stage
    cloudformation.delete_stack(StackName=stack["StackId"])
    assert settled(cloudformation, stack["StackId"])["StackStatus"] == "DELETE_COMPLETE"
    assert gateway.get_apis()["Items"] == gateway.get_domain_names()["Items"] == gateway.get_vpc_links()["Items"] == []


def test_what_cannot_be_made_takes_everything_back(deploy, client, backend, issuer, account):
    bad = {"Type": "AWS::ApiGatewayV2::Route", "DependsOn": "Mapping", "Properties": {"ApiId": {"Ref": "Api"}, "RouteKey": "GET /b", "AuthorizationType": "JWT", "AuthorizerId": "nope"}}
    stack = deploy("s", template(backend, issuer, f"r{account}.example.test", more={"Bad": bad}))
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    assert any("Unable to find Authorizer" in reason for reason in failures(client, stack))
    gateway = client("apigatewayv2")
    assert gateway.get_apis()["Items"] == gateway.get_domain_names()["Items"] == gateway.get_vpc_links()["Items"] == []


def serverless(issuer, name):
    event = lambda path, **auth: {"Type": "HttpApi", "Properties": {"ApiId": {"Ref": "Front"}, "Path": path, "Method": "get", **({"Auth": auth} if auth else {})}}
    code = lambda source, **more: {"Type": "AWS::Serverless::Function", "Properties": {"Runtime": "nodejs20.x", "Handler": "index.handler", "InlineCode": source, **more}}
    auth = {
        "DefaultAuthorizer": "Tokens",
        "EnableIamAuthorizer": True,
        "Authorizers": {
            "Tokens": {"IdentitySource": "$request.header.Authorization", "JwtConfiguration": {"issuer": issuer.url, "audience": ["app"]}},
            "Function": {
                "FunctionArn": {"Fn::GetAtt": ["Decides", "Arn"]}, "AuthorizerPayloadFormatVersion": "2.0", "EnableSimpleResponses": True,
                "EnableFunctionDefaultPermissions": True, "Identity": {"Headers": ["token"], "ReauthorizeEvery": 30},
            },
        },
    }
    events = {
        "Default": event("/default"), "Scoped": event("/scoped", AuthorizationScopes=["s"]), "Open": event("/open", Authorizer="NONE"),
        "Lambda": event("/lambda", Authorizer="Function"), "Iam": event("/iam", Authorizer="AWS_IAM"),
    }
    return {
        "Transform": "AWS::Serverless-2016-10-31",
        "Resources": {
            "Front": {"Type": "AWS::Serverless::HttpApi", "Properties": {"Auth": auth, "Domain": {"DomainName": name, "CertificateArn": CERTIFICATE}}},
            "Answers": code(CODE, Events=events),
            "Decides": code(AUTHORIZER),
        },
        "Outputs": {"Url": {"Value": {"Fn::GetAtt": ["Front", "ApiEndpoint"]}}},
    }


def test_sam_s_authorizers_and_domains(deploy, client, issuer, account, cloud, call):
    name = f"sam{account}.example.test"
    stack = deploy("s", serverless(issuer, name))
    assert stack["StackStatus"] == "CREATE_COMPLETE", failures(client, stack)
    url = output(stack, "Url")
    status = lambda path, **headers: call(f"{url}/{path}", headers=headers).status
    assert status("open") == 200
    assert [status("default"), status("scoped"), status("lambda"), status("iam")] == [401, 401, 401, 403]
    assert status("default", Authorization=issuer.token()) == 200
    assert status("scoped", Authorization=issuer.token()) == 403
    assert status("scoped", Authorization=issuer.token(scope="s")) == 200
    assert status("lambda", token="bad") == 403
    answer = call(f"{url}/lambda", headers={"token": "good"}).json()
    assert answer["requestContext"]["authorizer"] == {"lambda": {"who": "lambda"}}
    assert call(f"{cloud.url}/open", host=name).json()["requestContext"]["domainName"] == name
