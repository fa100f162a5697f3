//! Routes that events add to APIs, and the OpenAPI documents that they become.

use serde_json::{Value, json};

use super::document::{Object, member, object, set, sub};
use super::events::{Event, permit, required};
use super::function::{Function, named};
use super::{IMPLICIT_HTTP, IMPLICIT_REST, Sam};

/// A path and method of an API, and what answers there.
#[derive(Debug, Clone)]
pub(super) struct Route {
    pub(super) path: String,
    /// A lower-case method, or `x-amazon-apigateway-any-method`.
    pub(super) method: String,
    pub(super) operation: Value,
    /// The event's `Auth`.
    pub(super) auth: Option<Value>,
    pub(super) condition: Option<Value>,
}

const ANY: &str = "x-amazon-apigateway-any-method";
const INTEGRATION: &str = "x-amazon-apigateway-integration";

/// Whom API Gateway calls.
pub(super) fn invocation(placeholder: &str) -> Value {
    sub(format!(
        "arn:${{AWS::Partition}}:apigateway:${{AWS::Region}}:lambda:path/2015-03-31/functions/{placeholder}/invocations"
    ))
}

pub(super) fn method_key(method: &str) -> String {
    match method.to_lowercase().as_str() {
        "any" | "*" => ANY.to_owned(),
        method => method.to_owned(),
    }
}

/// The API of this template that an event names.
pub(super) fn api_of(
    sam: &Sam<'_>,
    given: Option<&Value>,
    (property, implicit, kind): (&str, &str, &str),
) -> Result<String, String> {
    let Some(given) = given.filter(|v| !v.is_null()) else {
        return Ok(implicit.to_owned());
    };
    let id = given.as_str().or_else(|| named(given));
    id.filter(|id| sam.kind(id) == Some(kind)).map(str::to_owned).ok_or_else(|| {
        format!("{property} must be a valid reference to an '{kind}' resource in same template.")
    })
}

/// `arn:…:execute-api:…/{method}/{path}`, any parameter of the path being anything.
pub(super) fn source_arn(api: &str, rest: &str) -> Value {
    json!({"Fn::Sub": [
        format!("arn:${{AWS::Partition}}:execute-api:${{AWS::Region}}:${{AWS::AccountId}}:${{__ApiId__}}/{rest}"),
        {"__ApiId__": {"Ref": api}, "__Stage__": "*"},
    ]})
}

pub(super) fn wildcards(path: &str) -> String {
    let parts: Vec<&str> =
        path.split('/').map(|part| if part.starts_with('{') { "*" } else { part }).collect();
    parts.join("/")
}

pub(super) fn http_event(
    sam: &mut Sam<'_>,
    function: &Function,
    event: &Event<'_>,
) -> Result<(), String> {
    let p = event.p;
    let known = ("ApiId", IMPLICIT_HTTP, "AWS::Serverless::HttpApi");
    let api = api_of(sam, p.get("ApiId"), known)?;
    let path = p.get("Path").and_then(Value::as_str);
    let method = p.get("Method").and_then(Value::as_str);
    let is_default = path.is_none_or(|path| path == "$default");
    if path.is_some() && !is_default && method.is_none() {
        return Err("Missing required property 'Method'.".to_owned());
    }
    let path = path.unwrap_or("$default").to_owned();
    let method = method.unwrap_or("ANY");
    let version = sam.literal(p.get("PayloadFormatVersion")).unwrap_or_else(|| "2.0".to_owned());
    let integration = object([
        ("type", Some(json!("aws_proxy"))),
        ("httpMethod", Some(json!("POST"))),
        ("uri", Some(invocation(&function.placeholder()))),
        ("payloadFormatVersion", Some(json!(version))),
        ("timeoutInMillis", p.get("TimeoutInMillis").cloned()),
    ]);
    let mut operation = json!({INTEGRATION: integration, "responses": {}});
    if is_default {
        set(&mut operation, "isDefaultRoute", json!(true));
    }
    let named = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let parameters: Vec<Value> =
        named.map(|name| json!({"name": name, "in": "path", "required": true})).collect();
    if !parameters.is_empty() {
        set(&mut operation, "parameters", Value::Array(parameters));
    }
    if let Some(settings) = p.get("RouteSettings").filter(|v| !v.is_null()) {
        let key = if is_default {
            "$default".to_owned()
        } else {
            format!("{} {path}", method.to_uppercase())
        };
        let mut all = sam.property(&api, "RouteSettings").cloned().unwrap_or_default();
        if all.is_null() {
            all = json!({});
        }
        set(&mut all, &key, settings.clone());
        if let Some(properties) = sam.written.get_mut(&api).and_then(|a| member(a, "Properties")) {
            set(properties, "RouteSettings", all);
        }
    }
    let route = Route {
        path: path.clone(),
        method: method_key(method),
        operation,
        auth: p.get("Auth").cloned(),
        condition: sam.written_attribute(&function.id, "Condition"),
    };
    sam.routes.entry(api.clone()).or_default().push(route);
    let shown =
        if method.eq_ignore_ascii_case("any") { "*".to_owned() } else { method.to_uppercase() };
    let rest = match is_default {
        true => "${__Stage__}/*".to_owned(),
        false => format!("${{__Stage__}}/{shown}{}", wildcards(&path)),
    };
    let more = json!({"SourceArn": source_arn(&api, &rest)});
    permit(sam, function, format!("{}Permission", event.id), "apigateway.amazonaws.com", more);
    Ok(())
}

pub(super) fn rest_event(
    sam: &mut Sam<'_>,
    function: &Function,
    event: &Event<'_>,
) -> Result<(), String> {
    let p = event.p;
    let known = ("RestApiId", IMPLICIT_REST, "AWS::Serverless::Api");
    let api = api_of(sam, p.get("RestApiId"), known)?;
    let path = required(p, "Path")?.as_str().ok_or("Path must be a string.")?.to_owned();
    let method = required(p, "Method")?.as_str().ok_or("Method must be a string.")?.to_owned();
    let integration = object([
        ("type", Some(json!("aws_proxy"))),
        ("httpMethod", Some(json!("POST"))),
        ("uri", Some(invocation(&function.placeholder()))),
        ("timeoutInMillis", p.get("TimeoutInMillis").cloned()),
        ("responseTransferMode", p.get("ResponseTransferMode").cloned()),
    ]);
    let mut operation = json!({INTEGRATION: integration, "responses": {}});
    let is_openapi = sam.property(&api, "OpenApiVersion").is_some_and(|v| !v.is_null());
    request(sam, p, is_openapi, &mut operation);
    let route = Route {
        path: path.clone(),
        method: method_key(&method),
        operation,
        auth: p.get("Auth").cloned(),
        condition: sam.written_attribute(&function.id, "Condition"),
    };
    sam.routes.entry(api.clone()).or_default().push(route);
    let stage = stage_suffix(sam, &api);
    let shown = if method_key(&method) == ANY { "*".to_owned() } else { method.to_uppercase() };
    let rest = format!("${{__Stage__}}/{shown}{}", wildcards(&path));
    let more = json!({"SourceArn": source_arn(&api, &rest)});
    let id = format!("{}Permission{stage}", event.id);
    permit(sam, function, id, "apigateway.amazonaws.com", more);
    Ok(())
}

const VALIDATOR: &str = "x-amazon-apigateway-request-validator";

/// `RequestModel` and `RequestParameters` of an event.
fn request(sam: &Sam<'_>, p: &Object, is_openapi: bool, operation: &mut Value) {
    let mut parameters = Vec::new();
    let of_model = |name: &str| p.get("RequestModel").and_then(|m| m.get(name));
    if let Some(model) = of_model("Model").and_then(Value::as_str) {
        let model = model.to_lowercase();
        let required = of_model("Required").cloned();
        if is_openapi {
            let schema = json!({"$ref": format!("#/components/schemas/{model}")});
            let body = object([
                ("content", Some(json!({"application/json": {"schema": schema}}))),
                ("required", required),
            ]);
            set(operation, "requestBody", body);
        } else {
            parameters.push(object([
                ("in", Some(json!("body"))),
                ("name", Some(json!(model))),
                ("schema", Some(json!({"$ref": format!("#/definitions/{model}")}))),
                ("required", required),
            ]));
        }
    }
    let validated = |name: &str| sam.is_true(of_model(name));
    let validator = match (validated("ValidateBody"), validated("ValidateParameters")) {
        (true, true) => Some("body-and-params"),
        (true, false) => Some("body-only"),
        (false, true) => Some("params-only"),
        (false, false) => None,
    };
    if let Some(validator) = validator {
        set(operation, VALIDATOR, json!(validator));
    }
    for given in p.get("RequestParameters").and_then(Value::as_array).into_iter().flatten() {
        let (name, settings) = match given {
            Value::String(name) => (name.as_str(), None),
            Value::Object(one) => match one.iter().next() {
                Some((name, settings)) => (name.as_str(), Some(settings)),
                None => continue,
            },
            _ => continue,
        };
        let mut parts = name.splitn(4, '.').skip(2);
        let (place, name) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        if sam.is_true(settings.and_then(|s| s.get("Caching")))
            && let Some(integration) = member(operation, INTEGRATION)
        {
            let key = json!(format!("method.request.{place}.{name}"));
            super::document::push(integration, "cacheKeyParameters", key);
        }
        let place = if place == "querystring" { "query" } else { place };
        let required = settings.and_then(|s| s.get("Required")).cloned();
        let required = if place == "path" { Some(json!(true)) } else { required };
        parameters.push(object([
            ("name", Some(json!(name))),
            ("in", Some(json!(place))),
            ("type", Some(json!("string"))),
            ("required", Some(required.unwrap_or_else(|| json!(false)))),
        ]));
    }
    if !parameters.is_empty() {
        set(operation, "parameters", Value::Array(parameters));
    }
}

/// The validators that operations name.
pub(super) fn validators(routes: &[Route]) -> Option<Value> {
    let mut all = Object::new();
    for name in routes.iter().filter_map(|r| r.operation.get(VALIDATOR)?.as_str()) {
        let validator = json!({
            "validateRequestBody": name.starts_with("body"),
            "validateRequestParameters": name.ends_with("params") || name == "params-only",
        });
        all.insert(name.to_owned(), validator);
    }
    (!all.is_empty()).then_some(Value::Object(all))
}

/// The part of a logical id that stands for the stage of an API.
pub(super) fn stage_suffix(sam: &Sam<'_>, api: &str) -> String {
    match sam.property(api, "StageName") {
        Some(Value::String(name)) => super::document::alphanumeric(name),
        _ => "Stage".to_owned(),
    }
}

/// Lays the routes into the paths of a document. What the document has already stays.
pub(super) fn add(body: &mut Value, routes: &[Route], secure: impl Fn(&Route, &mut Value)) {
    let Some(paths) = member(body, "paths") else {
        return;
    };
    for route in routes {
        let mut operation = route.operation.clone();
        secure(route, &mut operation);
        if let Some(condition) = &route.condition {
            operation = json!({"Fn::If": [condition, operation, {"Ref": "AWS::NoValue"}]});
        }
        let Some(path) = member(paths, &route.path) else {
            continue;
        };
        let written = path.get(&route.method).and_then(|o| o.get(INTEGRATION)).is_some();
        if written {
            continue;
        }
        match path.get(&route.method).and_then(Value::as_object).cloned() {
            // The document describes the operation, the event says who answers.
            Some(described) if route.condition.is_none() => {
                for (name, value) in described {
                    set(&mut operation, &name, value);
                }
                set(path, &route.method, operation);
            }
            _ => set(path, &route.method, operation),
        }
    }
}

/// Gives every operation that says nothing of security what `default` answers for its method.
pub(super) fn secure_others(body: &mut Value, default: impl Fn(&str) -> Option<Value>) {
    let paths = body.get_mut("paths").and_then(Value::as_object_mut);
    for methods in paths.into_iter().flat_map(|p| p.values_mut()).filter_map(Value::as_object_mut) {
        for (method, operation) in methods.iter_mut() {
            let is_operation = operation.get(INTEGRATION).is_some();
            if !is_operation || operation.get("security").is_some() {
                continue;
            }
            if let Some(security) = default(method) {
                set(operation, "security", security);
            }
        }
    }
}
