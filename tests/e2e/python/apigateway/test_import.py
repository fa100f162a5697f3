"""ImportApi and ReimportApi: an HTTP API as an OpenAPI document."""

import json


def document(path, function="arn:aws:lambda:us-east-1:000000000000:function:f", **more):
    integration = {"type": "aws_proxy", "httpMethod": "POST", "payloadFormatVersion": "2.0", "uri": function}
    operation = {"operationId": "o", "x-amazon-apigateway-integration": {"$ref": "#/components/x-amazon-apigateway-integrations/f"}}
    return json.dumps(
        {
            "openapi": "3.0.1",
            "info": {"title": "imported", "version": "1.0"},
            "paths": {path: {"get": operation, "post": operation}, "$default": {"x-amazon-apigateway-any-method": operation}},
            "components": {"x-amazon-apigateway-integrations": {"f": integration}},
            **more,
        }
    )


def test_an_api_is_imported_and_imported_again(client, error):
    gateway = client("apigatewayv2")
    api = gateway.import_api(Body=document("/a", **{"x-amazon-apigateway-cors": {"allowOrigins": ["*"]}}))
    assert (api["Name"], api["ProtocolType"], api["Version"]) == ("imported", "HTTP", "1.0")
    assert api["CorsConfiguration"] == {"AllowOrigins": ["*"]}
    routes = gateway.get_routes(ApiId=api["ApiId"])["Items"]
    assert sorted(r["RouteKey"] for r in routes) == ["$default", "GET /a", "POST /a"]
    # Routes of one integration share it.
    assert len(gateway.get_integrations(ApiId=api["ApiId"])["Items"]) == 1
    again = gateway.reimport_api(ApiId=api["ApiId"], Body=document("/b/{id}"))
    assert "CorsConfiguration" not in again
    routes = gateway.get_routes(ApiId=api["ApiId"])["Items"]
    assert sorted(r["RouteKey"] for r in routes) == ["$default", "GET /b/{id}", "POST /b/{id}"]
    assert len(gateway.get_integrations(ApiId=api["ApiId"])["Items"]) == 1
    # A document that is wrong leaves everything as it was.
    assert error(gateway.reimport_api, ApiId=api["ApiId"], Body=document("no-slash"))[0] == "BadRequestException"
    assert len(gateway.get_routes(ApiId=api["ApiId"])["Items"]) == 3
    assert error(gateway.import_api, Body="{")[0] == "BadRequestException"
