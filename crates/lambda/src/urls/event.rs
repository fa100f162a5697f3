//! The event that a function gets for a request to its URL: payload format 2.0.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use serde_json::{Map, Value, json};
use undercast_kernel::Context;
use undercast_kernel::http::{Request, decoded, joined};
use undercast_smithy::Timestamp;

/// What is known of a request besides itself.
pub(super) struct Around<'a> {
    pub(super) id: &'a str,
    pub(super) region: &'a str,
    pub(super) request_id: &'a str,
    pub(super) now_ms: i64,
    /// Still encoded.
    pub(super) path: &'a str,
    pub(super) caller: Option<&'a Context>,
}

/// Not for the function: these are the connection's.
const HOP: &[&str] =
    &["connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade", "host"];

/// Types that are text, besides those that say so.
const TEXTS: &[&str] = &[
    "application/json",
    "application/javascript",
    "application/xml",
    "application/x-www-form-urlencoded",
];

pub(super) fn build(request: &Request, body: &Bytes, around: &Around<'_>) -> Value {
    let path = decoded(around.path);
    let (text, is_encoded) = body_text(request, body);
    let mut event = json!({
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": request.query,
        "headers": headers(request, around),
        "requestContext": context(request, &path, around),
        "isBase64Encoded": is_encoded,
    });
    let cookies = request.headers.iter().filter(|(name, _)| name == "cookie");
    let cookies: Vec<&str> =
        cookies.flat_map(|(_, value)| value.split(';').map(str::trim)).collect();
    let query = joined(request.query_pairs().into_iter());
    // What is empty is left out.
    if let Value::Object(event) = &mut event {
        let mut put = |name: &str, value: Value| event.insert(name.to_owned(), value);
        if !cookies.is_empty() {
            put("cookies", json!(cookies));
        }
        if !query.is_empty() {
            put("queryStringParameters", Value::Object(query));
        }
        if let Some(text) = text {
            put("body", text.into());
        }
    }
    event
}

fn domain(around: &Around<'_>) -> String {
    format!("{}.lambda-url.{}.on.aws", around.id, around.region)
}

fn headers(request: &Request, around: &Around<'_>) -> Map<String, Value> {
    let own = request.headers.iter();
    let own = own.filter(|(name, _)| name != "cookie" && !HOP.contains(&name.as_str()));
    let mut headers = joined(own.cloned());
    headers.insert("host".to_owned(), domain(around).into());
    let port = request.host.rsplit_once(':').map_or("443", |(_, port)| port);
    for (name, value) in [
        ("x-forwarded-for", request.source_ip.as_str()),
        ("x-forwarded-proto", request.scheme),
        ("x-forwarded-port", port),
    ] {
        headers.entry(name).or_insert_with(|| value.into());
    }
    headers
}

fn context(request: &Request, path: &str, around: &Around<'_>) -> Value {
    let mut context = json!({
        "accountId": around.caller.map_or("anonymous", |ctx| ctx.account()),
        "apiId": around.id,
        "domainName": domain(around),
        "domainPrefix": around.id,
        "http": {
            "method": request.method,
            "path": path,
            "protocol": request.protocol,
            "sourceIp": request.source_ip,
            "userAgent": request.header("user-agent").unwrap_or_default(),
        },
        "requestId": around.request_id,
        "routeKey": "$default",
        "stage": "$default",
        "time": Timestamp::from_millis(around.now_ms).format("%d/%b/%Y:%H:%M:%S +0000"),
        "timeEpoch": around.now_ms,
    });
    if let (Value::Object(context), Some(caller)) = (&mut context, around.caller) {
        context.insert("authorizer".to_owned(), json!({"iam": iam(request, caller)}));
    }
    context
}

fn iam(request: &Request, caller: &Context) -> Value {
    let authorization = request.header("authorization").unwrap_or_default();
    let key = authorization.split_once("Credential=").map_or("", |(_, rest)| rest);
    let principal = caller.principal();
    json!({
        "accessKey": key.split('/').next().unwrap_or_default(),
        "accountId": caller.account(),
        "callerId": principal.user_id(),
        "cognitoIdentity": null,
        "principalOrgId": null,
        "userArn": principal.arn(),
        "userId": principal.user_id(),
    })
}

/// Text as it is, anything else in base64.
fn body_text(request: &Request, body: &Bytes) -> (Option<String>, bool) {
    if body.is_empty() {
        return (None, false);
    }
    let kind = request.header("content-type").unwrap_or_default().to_ascii_lowercase();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    let is_text = kind.starts_with("text/")
        || kind.ends_with("+json")
        || kind.ends_with("+xml")
        || TEXTS.contains(&kind);
    match std::str::from_utf8(body) {
        Ok(text) if is_text && request.header("content-encoding").is_none() => {
            (Some(text.to_owned()), false)
        }
        _ => (Some(BASE64.encode(body)), true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_is_decoded_and_the_rest_stays() {
        assert_eq!(decoded("/a%20b/%C3%BC"), "/a b/ü");
        assert_eq!(decoded("100%"), "100%");
        assert_eq!(decoded("%zz%4"), "%zz%4");
    }
}
