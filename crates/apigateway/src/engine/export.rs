//! The parts of an HTTP API as an OpenAPI document: what `openapi.rs` reads.

use serde_json::{Map, Value, json};
use undercast_smithy::Document;

use super::openapi::{ANY, INTEGRATION_KEY, lower_first};
use crate::store::Snapshot;

fn text<'a>(document: &'a Document, name: &str) -> Option<&'a str> {
    document.get(name).and_then(Value::as_str)
}

/// Members that are there, by the names that OpenAPI has for them.
fn renamed(from: &Document, names: &[(&str, &str)]) -> Map<String, Value> {
    let all = names.iter().filter_map(|(ours, theirs)| {
        let value = from.get(*ours).filter(|value| !value.is_null())?;
        Some(((*theirs).to_owned(), value.clone()))
    });
    all.collect()
}

pub(crate) fn document(api: &Document, parts: &Snapshot, with_extensions: bool) -> Value {
    let info =
        renamed(api, &[("Name", "title"), ("Description", "description"), ("Version", "version")]);
    let mut document = json!({"openapi": "3.0.1", "info": info, "paths": {}});
    let mut schemes = Map::new();
    for authorizer in &parts.authorizers {
        if let Some(name) = text(authorizer, "Name") {
            schemes.insert(name.to_owned(), scheme(authorizer, with_extensions));
        }
    }
    for route in &parts.routes {
        let key = text(route, "RouteKey").unwrap_or_default();
        let (method, path) = match key.split_once(' ') {
            Some(("ANY", path)) => (ANY.to_owned(), path),
            Some((method, path)) => (method.to_lowercase(), path),
            None => (ANY.to_owned(), key),
        };
        let operation = operation(route, parts, path, with_extensions);
        if let Some(Value::Object(paths)) = document.get_mut("paths") {
            let item = paths.entry(path.to_owned()).or_insert_with(|| json!({}));
            if let Value::Object(item) = item {
                item.insert(method, operation);
            }
        }
        if text(route, "AuthorizationType") == Some("AWS_IAM") {
            schemes.insert(SIGV4.to_owned(), sigv4());
        }
    }
    if let Value::Object(document) = &mut document {
        if !schemes.is_empty() {
            document.insert("components".to_owned(), json!({"securitySchemes": schemes}));
        }
        let tags = api.get("Tags").and_then(Value::as_object).into_iter().flatten();
        let tags: Vec<Value> = tags
            .map(|(name, value)| json!({"name": name, "x-amazon-apigateway-tag-value": value}))
            .collect();
        if with_extensions && !tags.is_empty() {
            document.insert("tags".to_owned(), Value::Array(tags));
        }
        if let Some(cors) = api.get("CorsConfiguration").filter(|_| with_extensions) {
            document.insert("x-amazon-apigateway-cors".to_owned(), lower_first(cors));
        }
        if with_extensions {
            document.insert("x-amazon-apigateway-importexport-version".to_owned(), "1.0".into());
        }
    }
    document
}

const SIGV4: &str = "sigv4";

fn sigv4() -> Value {
    json!({
        "type": "apiKey", "name": "Authorization", "in": "header",
        "x-amazon-apigateway-authtype": "awsSigv4",
    })
}

fn operation(route: &Document, parts: &Snapshot, path: &str, with_extensions: bool) -> Value {
    let mut operation = json!({"responses": {"default": {"description": format!("Default response for {}", text(route, "RouteKey").unwrap_or_default())}}});
    let Value::Object(members) = &mut operation else { return operation };
    if let Some(name) = route.get("OperationName").filter(|name| !name.is_null()) {
        members.insert("operationId".to_owned(), name.clone());
    }
    let named = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let parameters: Vec<Value> = named
        .map(|name| name.trim_end_matches('+'))
        .map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}}))
        .collect();
    if !parameters.is_empty() {
        members.insert("parameters".to_owned(), Value::Array(parameters));
    }
    let authorizer = text(route, "AuthorizerId");
    let authorizer = parts
        .authorizers
        .iter()
        .find(|one| authorizer.is_some() && text(one, "AuthorizerId") == authorizer);
    let scheme = match text(route, "AuthorizationType") {
        Some("AWS_IAM") => Some(SIGV4),
        _ => authorizer.and_then(|one| text(one, "Name")),
    };
    if let Some(scheme) = scheme {
        let scopes = route.get("AuthorizationScopes").cloned().unwrap_or_else(|| json!([]));
        members.insert("security".to_owned(), json!([{scheme: scopes}]));
    }
    let target = text(route, "Target").and_then(|target| target.strip_prefix("integrations/"));
    let integration = parts
        .integrations
        .iter()
        .find(|one| target.is_some() && text(one, "IntegrationId") == target);
    if let Some(integration) = integration.filter(|_| with_extensions) {
        let mut made = renamed(
            integration,
            &[
                ("PayloadFormatVersion", "payloadFormatVersion"),
                ("IntegrationType", "type"),
                ("IntegrationMethod", "httpMethod"),
                ("IntegrationUri", "uri"),
                ("IntegrationSubtype", "integrationSubtype"),
                ("CredentialsArn", "credentials"),
                ("ConnectionType", "connectionType"),
                ("ConnectionId", "connectionId"),
                ("RequestParameters", "requestParameters"),
                ("ResponseParameters", "responseParameters"),
                ("TimeoutInMillis", "timeoutInMillis"),
            ],
        );
        if let Some(kind) = text(integration, "IntegrationType") {
            made.insert("type".to_owned(), kind.to_lowercase().into());
        }
        members.insert(INTEGRATION_KEY.to_owned(), Value::Object(made));
    }
    operation
}

fn scheme(authorizer: &Document, with_extensions: bool) -> Value {
    let is_jwt = text(authorizer, "AuthorizerType") == Some("JWT");
    let mut scheme = match is_jwt {
        true => json!({"type": "oauth2", "flows": {}}),
        false => json!({"type": "apiKey", "name": "Unused", "in": "header"}),
    };
    let mut made = renamed(
        authorizer,
        &[
            ("AuthorizerUri", "authorizerUri"),
            ("AuthorizerPayloadFormatVersion", "authorizerPayloadFormatVersion"),
            ("AuthorizerResultTtlInSeconds", "authorizerResultTtlInSeconds"),
            ("AuthorizerCredentialsArn", "authorizerCredentials"),
            ("EnableSimpleResponses", "enableSimpleResponses"),
        ],
    );
    made.insert("type".to_owned(), if is_jwt { "jwt" } else { "request" }.into());
    let sources = authorizer.get("IdentitySource").and_then(Value::as_array).into_iter().flatten();
    let sources: Vec<&str> = sources.filter_map(Value::as_str).collect();
    if !sources.is_empty() {
        made.insert("identitySource".to_owned(), sources.join(",").into());
    }
    if let Some(jwt) = authorizer.get("JwtConfiguration") {
        made.insert("jwtConfiguration".to_owned(), lower_first(jwt));
    }
    if let Value::Object(scheme) = &mut scheme
        && with_extensions
    {
        scheme.insert("x-amazon-apigateway-authorizer".to_owned(), Value::Object(made));
    }
    scheme
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extensions_can_be_left_out() {
        let api =
            json!({"Name": "n", "CorsConfiguration": {"AllowOrigins": ["*"]}, "Tags": {"a": "b"}});
        let parts = Snapshot {
            routes: vec![
                json!({"RouteKey": "ANY /a/{b+}", "Target": "integrations/i", "AuthorizationType": "AWS_IAM"}),
            ],
            integrations: vec![
                json!({"IntegrationId": "i", "IntegrationType": "HTTP_PROXY", "IntegrationUri": "http://x"}),
            ],
            authorizers: Vec::new(),
        };
        let full = document(&api, &parts, true);
        let operation = &full["paths"]["/a/{b+}"][ANY];
        assert_eq!(operation[INTEGRATION_KEY]["type"], "http_proxy");
        assert_eq!(operation["security"], json!([{"sigv4": []}]));
        assert_eq!(operation["parameters"][0]["name"], "b");
        assert_eq!(full["x-amazon-apigateway-cors"], json!({"allowOrigins": ["*"]}));
        let plain = document(&api, &parts, false);
        assert!(plain["paths"]["/a/{b+}"][ANY].get(INTEGRATION_KEY).is_none());
        assert!(plain.get("tags").is_none());
    }
}
