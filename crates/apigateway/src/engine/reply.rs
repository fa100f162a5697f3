//! From a function's answer to the client's.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};
use undercast_kernel::http::Response;

/// The function's answer as a response; `None` if it has no form that the gateway takes.
pub(crate) fn read(payload: &[u8], version: &str) -> Option<Response> {
    let answer: Value = serde_json::from_slice(payload).ok()?;
    let structured = answer.get("statusCode").is_some();
    if version == "2.0" && !structured {
        // Anything else is the body of a good answer.
        let body = match &answer {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        return Some(Response::new(200).header("content-type", "application/json").body(body));
    }
    let status = answer.get("statusCode")?;
    let status = status.as_u64().or_else(|| status.as_str()?.parse().ok())?;
    let status = u16::try_from(status).ok().filter(|s| (100..=599).contains(s))?;
    let mut response = Response::new(status);
    for (name, values) in
        answer.get("multiValueHeaders").and_then(Value::as_object).into_iter().flatten()
    {
        for value in values.as_array().into_iter().flatten() {
            response = response.header(name.to_lowercase(), plain(value));
        }
    }
    for (name, value) in answer.get("headers").and_then(Value::as_object).into_iter().flatten() {
        let name = name.to_lowercase();
        if !response.headers.iter().any(|(n, _)| *n == name) && !value.is_null() {
            response = response.header(name, plain(value));
        }
    }
    for cookie in answer.get("cookies").and_then(Value::as_array).into_iter().flatten() {
        response = response.header("set-cookie", plain(cookie));
    }
    let has_type = response.headers.iter().any(|(name, _)| name == "content-type");
    let body = answer.get("body").filter(|b| !b.is_null()).map(plain).unwrap_or_default();
    if !has_type && !body.is_empty() {
        response = response.header("content-type", "text/plain;charset=UTF-8");
    }
    if answer.get("isBase64Encoded").and_then(Value::as_bool).unwrap_or(false) {
        return Some(response.body(BASE64.decode(body).ok()?));
    }
    Some(response.body(body))
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// `{"message": "Not Found"}` and its kin.
pub(crate) fn message(status: u16, text: &str) -> Response {
    Response::json(status, &json!({"message": text}))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
        response.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    #[test]
    fn format_two_infers_and_format_one_insists() {
        let inferred = read(br#"{"a": 1}"#, "2.0").unwrap();
        assert_eq!(
            (inferred.status, header(&inferred, "content-type")),
            (200, Some("application/json"))
        );
        assert!(read(br#"{"a": 1}"#, "1.0").is_none());
        assert!(read(b"not json", "2.0").is_none());
        assert!(read(br#"{"statusCode": 9999}"#, "2.0").is_none());
        let full = read(br#"{"statusCode": "201", "headers": {"X-A": 1}, "cookies": ["a=b", "c=d"], "body": "aGk=", "isBase64Encoded": true}"#, "2.0").unwrap();
        assert_eq!((full.status, header(&full, "x-a")), (201, Some("1")));
        assert_eq!(full.headers.iter().filter(|(n, _)| n == "set-cookie").count(), 2);
        assert_eq!(full.body.length(), Some(2));
    }
}
