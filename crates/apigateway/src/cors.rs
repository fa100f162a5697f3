//! Cross-origin answers by an API's `CorsConfiguration`.

use serde_json::Value;
use undercast_kernel::http::Response;

fn list(cors: &Value, name: &str) -> Vec<String> {
    let values = cors.get(name).and_then(Value::as_array).into_iter().flatten();
    values.filter_map(|v| v.as_str().map(str::to_owned)).collect()
}

/// What `access-control-allow-origin` says to this origin, if it is allowed.
fn allowed(cors: &Value, origin: &str) -> Option<String> {
    let origins = list(cors, "AllowOrigins");
    let credentials = cors.get("AllowCredentials").and_then(Value::as_bool).unwrap_or(false);
    if origins.iter().any(|o| o == "*") {
        return Some(if credentials { origin.to_owned() } else { "*".to_owned() });
    }
    let matches = |pattern: &String| match pattern.split_once('*') {
        Some((before, after)) => origin.starts_with(before) && origin.ends_with(after),
        None => pattern.eq_ignore_ascii_case(origin),
    };
    origins.iter().any(matches).then(|| origin.to_owned())
}

/// The answer to a preflight request; no function is asked.
pub(crate) fn preflight(cors: &Value, origin: &str) -> Response {
    let response = Response::new(204);
    let Some(origin) = allowed(cors, origin) else {
        return response;
    };
    let mut response = common(response, cors, origin);
    for (header, name) in [
        ("access-control-allow-methods", "AllowMethods"),
        ("access-control-allow-headers", "AllowHeaders"),
    ] {
        let values = list(cors, name);
        if !values.is_empty() {
            response = response.header(header, values.join(","));
        }
    }
    if let Some(seconds) = cors.get("MaxAge").and_then(Value::as_i64) {
        response = response.header("access-control-max-age", seconds.to_string());
    }
    response
}

/// What the gateway says replaces what the function said.
pub(crate) fn decorate(mut response: Response, cors: &Value, origin: &str) -> Response {
    response.headers.retain(|(name, _)| !name.starts_with("access-control-"));
    let Some(origin) = allowed(cors, origin) else {
        return response;
    };
    let response = common(response, cors, origin);
    let exposed = list(cors, "ExposeHeaders");
    if exposed.is_empty() {
        return response;
    }
    response.header("access-control-expose-headers", exposed.join(","))
}

fn common(response: Response, cors: &Value, origin: String) -> Response {
    let response = response.header("access-control-allow-origin", origin).header("vary", "Origin");
    if cors.get("AllowCredentials").and_then(Value::as_bool).unwrap_or(false) {
        return response.header("access-control-allow-credentials", "true");
    }
    response
}
