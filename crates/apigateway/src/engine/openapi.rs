//! An OpenAPI document as the parts of an HTTP API.

use serde_json::{Map, Value, json};
use undercast_kernel::{Context, ServiceError};
use undercast_store::Tx;

use super::checks::{check_authorizer, check_integration, check_route};
use super::parts::{
    AUTHORIZER, INTEGRATION, ROUTE, delete, integration_defaults, key, list, merge, new_id, put,
    require_api,
};
use crate::error::bad;
use crate::store::{APIS, ApiRow};

const METHODS: &[&str] = &["get", "post", "put", "patch", "delete", "head", "options"];
pub(crate) const ANY: &str = "x-amazon-apigateway-any-method";
pub(crate) const INTEGRATION_KEY: &str = "x-amazon-apigateway-integration";

/// Reads the text of a document.
pub(crate) fn parse(body: &str) -> Result<Value, ServiceError> {
    if !body.trim_start().starts_with('{') {
        return Err(ServiceError::unsupported("an OpenAPI document in YAML"));
    }
    let document: Value = serde_json::from_str(body).map_err(|_| {
        bad("Unable to parse API definition because of a malformed integration or syntax")
    })?;
    let version = document.get("openapi").and_then(Value::as_str).unwrap_or_default();
    if !version.starts_with("3.0") {
        return Err(bad("Invalid OpenAPI input: only OpenAPI 3.0 definitions can be imported"));
    }
    Ok(document)
}

/// What the document says of the API itself.
pub(crate) fn api(document: &Value) -> Value {
    let info = |name: &str| document.pointer(&format!("/info/{name}")).cloned();
    let endpoint = document
        .pointer("/servers/0/x-amazon-apigateway-endpoint-configuration/disableExecuteApiEndpoint");
    let mut api = Map::new();
    for (name, value) in [
        ("Name", info("title")),
        ("Description", info("description")),
        ("Version", info("version")),
        ("CorsConfiguration", document.get("x-amazon-apigateway-cors").map(upper_first)),
        ("DisableExecuteApiEndpoint", endpoint.cloned()),
    ] {
        if let Some(value) = value.filter(|v| !v.is_null()) {
            api.insert(name.to_owned(), value);
        }
    }
    let listed = document.get("tags").and_then(Value::as_array).into_iter().flatten();
    let tags: Map<String, Value> = listed
        .filter_map(|tag| {
            let value = tag.get("x-amazon-apigateway-tag-value")?;
            Some((tag.get("name")?.as_str()?.to_owned(), value.clone()))
        })
        .collect();
    if !tags.is_empty() {
        api.insert("Tags".to_owned(), Value::Object(tags));
    }
    Value::Object(api)
}

/// `allowOrigins` is `AllowOrigins` to us.
fn upper_first(value: &Value) -> Value {
    let members = value.as_object().into_iter().flatten().map(|(name, value)| {
        let mut chars = name.chars();
        let first = chars.next().map(|c| c.to_ascii_uppercase());
        (first.into_iter().chain(chars).collect::<String>(), value.clone())
    });
    Value::Object(members.collect())
}

/// The other way round.
pub(crate) fn lower_first(value: &Value) -> Value {
    let members = value.as_object().into_iter().flatten().map(|(name, value)| {
        let mut chars = name.chars();
        let first = chars.next().map(|c| c.to_ascii_lowercase());
        (first.into_iter().chain(chars).collect::<String>(), value.clone())
    });
    Value::Object(members.collect())
}

/// Puts the document in the place of all routes and integrations of the API.
pub(crate) async fn replace(
    tx: &Tx,
    ctx: &Context,
    id: &str,
    document: &Value,
) -> Result<ApiRow, ServiceError> {
    for (kind, name) in
        [(ROUTE, "RouteId"), (INTEGRATION, "IntegrationId"), (AUTHORIZER, "AuthorizerId")]
    {
        for row in list(tx, ctx, id, kind).await? {
            if let Some(part) = row.document.get(name).and_then(Value::as_str) {
                delete(tx, ctx, id, kind, part).await?;
            }
        }
    }
    let authorizers = authorizers(tx, ctx, id, document).await?;
    let mut integrations: Vec<(Value, String)> = Vec::new();
    for (path, item) in document.get("paths").and_then(Value::as_object).into_iter().flatten() {
        for (method, operation) in item.as_object().into_iter().flatten() {
            let method = match method.as_str() {
                ANY => "ANY",
                method if METHODS.contains(&method) => method,
                _ => continue,
            };
            let route_key = match path.as_str() {
                "$default" => path.clone(),
                path => format!("{} {path}", method.to_uppercase()),
            };
            let target = match operation.get(INTEGRATION_KEY) {
                Some(given) => {
                    let given = integration(resolve(document, given));
                    let known = integrations.iter().find(|(have, _)| *have == given);
                    let known = known.map(|(_, part)| part.clone());
                    Some(match known {
                        Some(part) => part,
                        None => {
                            let part = new_id(tx, 7);
                            let made = merge(&given, &json!({"IntegrationId": part}));
                            check_integration(tx, ctx, &made).await?;
                            put(tx, ctx, id, (INTEGRATION, &part), made).await?;
                            integrations.push((given, part.clone()));
                            part
                        }
                    })
                }
                None => None,
            };
            let part = new_id(tx, 7);
            let mut made = json!({
                "RouteId": part, "RouteKey": route_key, "ApiKeyRequired": false,
                "OperationName": operation.get("operationId"),
                "Target": target.map(|target| format!("integrations/{target}")),
            });
            made = merge(&made, &authorization(document, operation, &authorizers));
            if let Some(members) = made.as_object_mut() {
                members.retain(|_, value| !value.is_null());
            }
            check_route(tx, ctx, id, Some(&part), &made).await?;
            put(tx, ctx, id, (ROUTE, &part), made).await?;
        }
    }
    let mut row = require_api(tx, ctx, id).await?;
    let mut of_api = api(document);
    if let Value::Object(kept) = &mut row.document {
        kept.shift_remove("CorsConfiguration");
        let tags = merge(
            kept.get("Tags").unwrap_or(&Value::Null),
            of_api.get("Tags").unwrap_or(&Value::Null),
        );
        if let Value::Object(of_api) = &mut of_api {
            of_api.insert("Tags".to_owned(), tags);
        }
    }
    row.document = merge(&row.document, &of_api);
    row.revision += 1;
    APIS.put(tx, &key(ctx, id), &row)?;
    Ok(row)
}

/// An integration may stand among the components.
fn resolve<'a>(document: &'a Value, given: &'a Value) -> &'a Value {
    let path = given.get("$ref").and_then(Value::as_str).and_then(|path| path.strip_prefix('#'));
    path.and_then(|path| document.pointer(path)).unwrap_or(given)
}

/// By the names that the API has for its members.
fn integration(given: &Value) -> Value {
    let get = |name: &str| given.get(name).filter(|v| !v.is_null()).cloned();
    let kind = get("type").and_then(|kind| Some(kind.as_str()?.to_uppercase()));
    let mut made = integration_defaults(kind.as_deref().unwrap_or_default());
    let number =
        get("timeoutInMillis").map(|n| match n.as_str().and_then(|n| n.parse::<i64>().ok()) {
            Some(number) => json!(number),
            None => n,
        });
    let version = get("payloadFormatVersion").map(version);
    for (name, value) in [
        ("IntegrationType", kind.map(Value::from)),
        ("IntegrationUri", get("uri")),
        ("IntegrationMethod", get("httpMethod")),
        ("IntegrationSubtype", get("integrationSubtype").or_else(|| get("subtype"))),
        ("PayloadFormatVersion", version),
        ("TimeoutInMillis", number),
        ("CredentialsArn", get("credentials")),
        ("ConnectionType", get("connectionType")),
        ("ConnectionId", get("connectionId")),
        ("PassthroughBehavior", get("passthroughBehavior")),
        ("RequestParameters", get("requestParameters")),
        ("ResponseParameters", get("responseParameters")),
        ("TlsConfig", get("tlsConfig").map(|tls| upper_first(&tls))),
    ] {
        if let (Some(value), Value::Object(made)) = (value, &mut made) {
            made.insert(name.to_owned(), value);
        }
    }
    made
}

/// The names of security schemes that are authorizers, with their ids.
type Authorizers = Map<String, Value>;

const AUTHORIZER_KEY: &str = "x-amazon-apigateway-authorizer";

/// Makes the authorizers that the document's security schemes describe.
async fn authorizers(
    tx: &Tx,
    ctx: &Context,
    id: &str,
    document: &Value,
) -> Result<Authorizers, ServiceError> {
    let mut made = Map::new();
    let schemes = document.pointer("/components/securitySchemes").and_then(Value::as_object);
    for (name, scheme) in schemes.into_iter().flatten() {
        let Some(given) = scheme.get(AUTHORIZER_KEY) else { continue };
        let part = new_id(tx, 6);
        let own = json!({"AuthorizerId": part, "Name": name});
        let authorizer = merge(&authorizer(scheme, given), &own);
        check_authorizer(tx, ctx, id, &authorizer).await?;
        put(tx, ctx, id, (AUTHORIZER, &part), authorizer).await?;
        made.insert(name.clone(), part.into());
    }
    Ok(made)
}

/// By the names that the API has for its members.
fn authorizer(scheme: &Value, given: &Value) -> Value {
    let get = |name: &str| given.get(name).filter(|v| !v.is_null()).cloned();
    let number = |value: Value| match value.as_str().and_then(|text| text.parse::<i64>().ok()) {
        Some(number) => json!(number),
        None => value,
    };
    let list = |value: &Value| match value {
        Value::String(text) => {
            json!(text.split(',').map(str::trim).filter(|t| !t.is_empty()).collect::<Vec<_>>())
        }
        other => other.clone(),
    };
    let kind = given.get("type").and_then(Value::as_str).unwrap_or_default();
    let jwt = get("jwtConfiguration").map(|jwt| {
        let discovered = scheme.get("openIdConnectUrl").and_then(Value::as_str);
        let discovered = discovered
            .map(|url| json!(url.strip_suffix("/.well-known/openid-configuration").unwrap_or(url)));
        json!({
            "Issuer": jwt.get("issuer").cloned().or(discovered),
            "Audience": jwt.get("audience").map(list),
        })
    });
    let version = get("authorizerPayloadFormatVersion").map(version);
    let mut made = Map::new();
    for (name, value) in [
        ("AuthorizerType", Some(json!(kind.to_uppercase()))),
        ("IdentitySource", Some(get("identitySource").as_ref().map_or(json!([]), list))),
        ("JwtConfiguration", jwt),
        ("AuthorizerUri", get("authorizerUri")),
        ("AuthorizerPayloadFormatVersion", version),
        ("AuthorizerResultTtlInSeconds", get("authorizerResultTtlInSeconds").map(number)),
        ("AuthorizerCredentialsArn", get("authorizerCredentials")),
        ("EnableSimpleResponses", get("enableSimpleResponses")),
    ] {
        if let Some(value) = value {
            made.insert(name.to_owned(), value);
        }
    }
    Value::Object(made)
}

/// YAML writes `2.0` as a number.
fn version(given: Value) -> Value {
    match given {
        Value::Number(number) => json!(format!("{:.1}", number.as_f64().unwrap_or_default())),
        other => other,
    }
}

/// What the operation's first security requirement, or else the document's, asks of callers.
fn authorization(document: &Value, operation: &Value, authorizers: &Authorizers) -> Value {
    let nobody = || json!({"AuthorizationType": "NONE"});
    let security = operation.get("security").or(document.get("security"));
    let first = security.and_then(Value::as_array).and_then(|all| all.first());
    let Some((name, scopes)) = first.and_then(Value::as_object).and_then(|one| one.iter().next())
    else {
        return nobody();
    };
    let scheme = document.pointer("/components/securitySchemes").and_then(|all| all.get(name));
    let Some(scheme) = scheme else {
        return nobody();
    };
    if scheme.get("x-amazon-apigateway-authtype").and_then(Value::as_str) == Some("awsSigv4") {
        return json!({"AuthorizationType": "AWS_IAM"});
    }
    let Some(id) = authorizers.get(name) else {
        return nobody();
    };
    let is_jwt = scheme.pointer(&format!("/{AUTHORIZER_KEY}/type")) == Some(&json!("jwt"));
    let has_scopes = scopes.as_array().is_some_and(|scopes| !scopes.is_empty());
    match is_jwt {
        true => json!({
            "AuthorizationType": "JWT", "AuthorizerId": id,
            "AuthorizationScopes": has_scopes.then_some(scopes),
        }),
        false => json!({"AuthorizationType": "CUSTOM", "AuthorizerId": id}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_document_says_of_the_api() {
        let document = json!({
            "openapi": "3.0.1",
            "info": {"title": "t", "version": "1"},
            "x-amazon-apigateway-cors": {"allowOrigins": ["*"], "maxAge": 5},
            "tags": [{"name": "a", "x-amazon-apigateway-tag-value": "b"}, {"name": "group"}],
        });
        assert_eq!(
            api(&document),
            json!({"Name": "t", "Version": "1", "CorsConfiguration": {"AllowOrigins": ["*"], "MaxAge": 5}, "Tags": {"a": "b"}})
        );
        assert!(parse("{\"swagger\": \"2.0\"}").is_err());
        assert!(parse(&document.to_string()).is_ok());
    }

    #[test]
    fn integrations_have_the_api_s_names() {
        let made = integration(
            &json!({"type": "aws_proxy", "uri": "u", "httpMethod": "POST", "payloadFormatVersion": 2.0, "timeoutInMillis": "5000"}),
        );
        assert_eq!(made["IntegrationType"], "AWS_PROXY");
        assert_eq!(made["PayloadFormatVersion"], "2.0");
        assert_eq!(made["TimeoutInMillis"], 5000);
    }

    #[test]
    fn security_schemes_are_authorizers() {
        let jwt = json!({"type": "jwt", "identitySource": "$request.header.Authorization", "jwtConfiguration": {"audience": "a"}});
        let scheme = json!({"type": "openIdConnect", "openIdConnectUrl": "https://i/.well-known/openid-configuration", AUTHORIZER_KEY: jwt});
        let made = authorizer(&scheme, &jwt);
        assert_eq!(made["JwtConfiguration"], json!({"Issuer": "https://i", "Audience": ["a"]}));
        assert_eq!(made["IdentitySource"], json!(["$request.header.Authorization"]));
        let request = json!({"type": "request", "identitySource": "$request.header.a, $request.querystring.b", "authorizerPayloadFormatVersion": 2.0, "authorizerResultTtlInSeconds": "60"});
        let made = authorizer(&json!({}), &request);
        assert_eq!(made["AuthorizerPayloadFormatVersion"], "2.0");
        assert_eq!(made["AuthorizerResultTtlInSeconds"], 60);
        assert_eq!(made["IdentitySource"], json!(["$request.header.a", "$request.querystring.b"]));
        let signed = json!({"x-amazon-apigateway-authtype": "awsSigv4"});
        let document = json!({"components": {"securitySchemes": {"j": scheme, "s": signed, "unknown": {}}}, "security": [{"s": []}]});
        let ids = json!({"j": "1"}).as_object().unwrap().clone();
        let of = |operation: Value| authorization(&document, &operation, &ids);
        let scoped = of(json!({"security": [{"j": ["x"]}]}));
        assert_eq!(
            scoped,
            json!({"AuthorizationType": "JWT", "AuthorizerId": "1", "AuthorizationScopes": ["x"]})
        );
        assert_eq!(of(json!({})), json!({"AuthorizationType": "AWS_IAM"}));
        assert_eq!(of(json!({"security": []})), json!({"AuthorizationType": "NONE"}));
        assert_eq!(
            of(json!({"security": [{"unknown": []}]})),
            json!({"AuthorizationType": "NONE"})
        );
    }
}
