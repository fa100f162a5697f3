//! The event that a function gets for a request: payload formats 2.0 and 1.0.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use serde_json::{Map, Value, json};
use undercast_kernel::http::{Request, joined};
use undercast_smithy::Timestamp;

use super::compiled::Matched;

/// Stands beside a Lambda authorizer's context; format 2.0 does not tell it.
pub(crate) const PRINCIPAL: &str = "principalId";

/// What is known of a request besides itself.
#[derive(Clone, Copy)]
pub(crate) struct Surroundings<'a> {
    pub(crate) account: &'a str,
    pub(crate) api: &'a str,
    pub(crate) stage: &'a str,
    pub(crate) variables: &'a Map<String, Value>,
    pub(crate) request_id: &'a str,
    pub(crate) now_ms: i64,
    /// The path within the stage.
    pub(crate) path: &'a str,
    /// The path as the client gave it: with the stage, or with the key of a domain's mapping.
    pub(crate) raw_path: &'a str,
    /// The host that the function is told.
    pub(crate) domain: &'a str,
    /// What was found out about the caller: `{"jwt": …}`, `{"lambda": …, "principalId": …}` or `{"iam": …}`.
    pub(crate) authorized: Option<&'a Value>,
}

pub(crate) fn build(
    request: &Request,
    body: &Bytes,
    matched: &Matched<'_>,
    around: &Surroundings<'_>,
    version: &str,
) -> Value {
    let (text, encoded) = body_text(request, body);
    if version == "1.0" {
        return one(request, text, encoded, matched, around);
    }
    two(request, text, encoded, matched, around)
}

/// Text as it is, anything else in base64.
fn body_text(request: &Request, body: &Bytes) -> (Option<String>, bool) {
    if body.is_empty() {
        return (None, false);
    }
    let kind = request.header("content-type").unwrap_or("").to_ascii_lowercase();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    let textual = kind.is_empty()
        || kind.starts_with("text/")
        || kind.ends_with("+json")
        || kind.ends_with("+xml")
        || matches!(
            kind,
            "application/json"
                | "application/javascript"
                | "application/xml"
                | "application/x-www-form-urlencoded"
        );
    match std::str::from_utf8(body) {
        Ok(text) if textual && request.header("content-encoding").is_none() => {
            (Some(text.to_owned()), false)
        }
        _ => (Some(BASE64.encode(body)), true),
    }
}

/// What is told of the headers: the host is the API's, hop-by-hop ones are left out.
pub(crate) fn headers(request: &Request, around: &Surroundings<'_>) -> Vec<(String, String)> {
    let hop = [
        "connection",
        "keep-alive",
        "transfer-encoding",
        "te",
        "trailer",
        "upgrade",
        "proxy-authorization",
        "host",
    ];
    let mut headers: Vec<(String, String)> =
        request.headers.iter().filter(|(name, _)| !hop.contains(&name.as_str())).cloned().collect();
    headers.push(("host".to_owned(), around.domain.to_owned()));
    for (name, value) in [
        ("x-forwarded-for", request.source_ip.clone()),
        ("x-forwarded-proto", request.scheme.to_owned()),
        (
            "x-forwarded-port",
            request.host.rsplit_once(':').map_or("443", |(_, port)| port).to_owned(),
        ),
    ] {
        if request.header(name).is_none() {
            headers.push((name.to_owned(), value));
        }
    }
    headers
}

/// `24/Nov/2026:08:00:00 +0000`.
pub(crate) fn log_time(ms: i64) -> String {
    Timestamp::from_millis(ms).format("%d/%b/%Y:%H:%M:%S +0000")
}

fn or_null(map: Map<String, Value>) -> Value {
    if map.is_empty() { Value::Null } else { Value::Object(map) }
}

fn parameters(matched: &Matched<'_>) -> Map<String, Value> {
    matched.parameters.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect()
}

fn two(
    request: &Request,
    body: Option<String>,
    encoded: bool,
    matched: &Matched<'_>,
    around: &Surroundings<'_>,
) -> Value {
    let raw_path = around.raw_path;
    let headers = headers(request, around);
    let cookies: Vec<Value> = headers
        .iter()
        .filter(|(name, _)| name == "cookie")
        .flat_map(|(_, value)| value.split(';').map(|c| Value::from(c.trim())))
        .collect();
    let shown = joined(headers.into_iter().filter(|(name, _)| name != "cookie"));
    let mut event = json!({
        "version": "2.0",
        "routeKey": matched.route_key,
        "rawPath": raw_path,
        "rawQueryString": request.query,
        "headers": shown,
        "requestContext": {
            "accountId": around.account,
            "apiId": around.api,
            "domainName": around.domain,
            "domainPrefix": around.domain.split('.').next(),
            "http": {
                "method": request.method,
                "path": raw_path,
                "protocol": request.protocol,
                "sourceIp": request.source_ip,
                "userAgent": request.header("user-agent").unwrap_or_default(),
            },
            "requestId": around.request_id,
            "routeKey": matched.route_key,
            "stage": around.stage,
            "time": log_time(around.now_ms),
            "timeEpoch": around.now_ms,
        },
        "isBase64Encoded": encoded,
    });
    if let Some(Value::Object(authorizer)) = around.authorized {
        let mut authorizer = authorizer.clone();
        authorizer.shift_remove(PRINCIPAL);
        if let Some(Value::Object(context)) = event.get_mut("requestContext") {
            context.insert("authorizer".to_owned(), Value::Object(authorizer));
        }
    }
    if let Value::Object(event) = &mut event {
        for (name, value) in [
            ("cookies", Some(Value::Array(cookies)).filter(|c| c != &json!([]))),
            ("queryStringParameters", Some(or_null(joined(request.query_pairs().into_iter())))),
            ("pathParameters", Some(or_null(parameters(matched)))),
            ("stageVariables", Some(or_null(around.variables.clone()))),
            ("body", body.map(Value::from)),
        ] {
            // Format 2.0 leaves out what is empty.
            if let Some(value) = value.filter(|v| !v.is_null()) {
                event.insert(name.to_owned(), value);
            }
        }
    }
    event
}

fn one(
    request: &Request,
    body: Option<String>,
    encoded: bool,
    matched: &Matched<'_>,
    around: &Surroundings<'_>,
) -> Value {
    let single = |pairs: &[(String, String)]| -> Map<String, Value> {
        pairs.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect()
    };
    let multi = |pairs: &[(String, String)]| -> Map<String, Value> {
        let mut all: Map<String, Value> = Map::new();
        for (name, value) in pairs {
            let list = all.entry(name.clone()).or_insert_with(|| json!([]));
            if let Value::Array(list) = list {
                list.push(value.clone().into());
            }
        }
        all
    };
    let headers = headers(request, around);
    let query = request.query_pairs();
    let path = around.raw_path;
    let mut event = json!({
        "version": "1.0",
        "resource": matched.resource,
        "path": path,
        "httpMethod": request.method,
        "headers": single(&headers),
        "multiValueHeaders": multi(&headers),
        "queryStringParameters": or_null(single(&query)),
        "multiValueQueryStringParameters": or_null(multi(&query)),
        "requestContext": {
            "accountId": around.account,
            "apiId": around.api,
            "domainName": around.domain,
            "domainPrefix": around.domain.split('.').next(),
            "extendedRequestId": around.request_id,
            "httpMethod": request.method,
            "identity": {
                "accessKey": null, "accountId": null, "caller": null, "cognitoAmr": null,
                "cognitoAuthenticationProvider": null, "cognitoAuthenticationType": null,
                "cognitoIdentityId": null, "cognitoIdentityPoolId": null, "principalOrgId": null,
                "sourceIp": request.source_ip, "user": null,
                "userAgent": request.header("user-agent").unwrap_or_default(), "userArn": null,
            },
            "path": path,
            "protocol": request.protocol,
            "requestId": around.request_id,
            "requestTime": log_time(around.now_ms),
            "requestTimeEpoch": around.now_ms,
            "resourceId": matched.route_key,
            "resourcePath": matched.resource,
            "stage": around.stage,
        },
        "pathParameters": or_null(parameters(matched)),
        "stageVariables": or_null(around.variables.clone()),
        "body": body,
        "isBase64Encoded": encoded,
    });
    if let (Some(authorized), Some(Value::Object(context))) =
        (around.authorized, event.get_mut("requestContext"))
    {
        tell_one(authorized, context);
    }
    event
}

/// What format 1.0 tells of the caller.
fn tell_one(authorized: &Value, context: &mut Map<String, Value>) {
    let members = |name: &str| authorized.get(name).and_then(Value::as_object).cloned();
    if let (Some(iam), Some(Value::Object(identity))) =
        (members("iam"), context.get_mut("identity"))
    {
        for (name, from) in [
            ("accessKey", "accessKey"),
            ("accountId", "accountId"),
            ("caller", "callerId"),
            ("user", "userId"),
            ("userArn", "userArn"),
        ] {
            identity.insert(name.to_owned(), iam.get(from).cloned().unwrap_or_default());
        }
    }
    if let Some(jwt) = members("jwt") {
        context.insert("authorizer".to_owned(), Value::Object(jwt));
    }
    if authorized.get("lambda").is_some() {
        let mut given = members("lambda").unwrap_or_default();
        if let Some(principal) = authorized.get(PRINCIPAL) {
            given.insert(PRINCIPAL.to_owned(), principal.clone());
        }
        context.insert("authorizer".to_owned(), Value::Object(given));
    }
}

/// What a Lambda authorizer is asked: the request without its body.
pub(crate) fn question(
    request: &Request,
    matched: &Matched<'_>,
    around: &Surroundings<'_>,
    version: &str,
    (arn, sources): (&str, &[String]),
) -> Value {
    let (mut event, named) = match version {
        "1.0" => (one(request, None, false, matched, around), "methodArn"),
        _ => (two(request, None, false, matched, around), "routeArn"),
    };
    if let Value::Object(event) = &mut event {
        for name in
            ["body", "isBase64Encoded", "multiValueHeaders", "multiValueQueryStringParameters"]
        {
            event.shift_remove(name);
        }
        event.insert("type".to_owned(), "REQUEST".into());
        event.insert(named.to_owned(), arn.into());
        if version == "1.0" {
            event.insert("identitySource".to_owned(), sources.join(",").into());
            event.insert("authorizationToken".to_owned(), sources.join(",").into());
        } else {
            event.insert("identitySource".to_owned(), json!(sources));
        }
    }
    event
}
