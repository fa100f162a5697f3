//! From what a function answers to what the client of its URL sees.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::{Bytes, BytesMut};
use futures::StreamExt as _;
use serde_json::{Map, Value, json};
use undercast_kernel::http::Response;
use undercast_smithy::{Body, BodyError};

use crate::functions::{Piece, Streamed};
use crate::limits::SYNC_BYTES_MAX;

/// An answer of this type begins with status and headers as JSON, and eight zero bytes.
const WITH_PRELUDE: &str = "application/vnd.awslambda.http-integration-response";
const SEPARATOR: [u8; 8] = [0; 8];
const PRELUDE_BYTES_MAX: usize = 64 << 10;

/// What is refused, in AWS's form.
pub(super) fn message(status: u16, text: &str) -> Response {
    Response::json(status, &json!({"Message": text}))
}

pub(super) fn broken() -> Response {
    Response::new(502).header("content-type", "text/plain").body("Internal Server Error")
}

/// Everything at once.
pub(super) async fn buffered(mut streamed: Streamed) -> Response {
    let mut all = BytesMut::new();
    while let Some(piece) = streamed.pieces.next().await {
        match piece {
            Piece::Chunk(chunk) if all.len() + chunk.len() > SYNC_BYTES_MAX => return broken(),
            Piece::Chunk(chunk) => all.extend_from_slice(&chunk),
            Piece::End(end) if end.error.is_some() => return broken(),
            Piece::End(_) => {}
        }
    }
    let payload = all.freeze();
    if streamed.content_type.as_deref() != Some(WITH_PRELUDE) {
        return whole(&payload);
    }
    let at = separator(&payload).unwrap_or(payload.len());
    match prelude(payload.get(..at).unwrap_or_default()) {
        Some(response) => {
            let from = payload.len().min(at + SEPARATOR.len());
            response.body(payload.slice(from..))
        }
        None => broken(),
    }
}

/// The head as soon as it is known, and then each piece as the function writes it.
pub(super) async fn streaming(mut streamed: Streamed) -> Response {
    let begun = match streamed.content_type.as_deref() {
        Some(WITH_PRELUDE) => after_prelude(&mut streamed).await,
        kind => {
            let kind = kind.unwrap_or("application/octet-stream").to_owned();
            // A function that fails before it writes anything gets an answer of its own.
            match streamed.pieces.next().await {
                Some(Piece::Chunk(chunk)) => {
                    Some((Response::new(200).header("content-type", kind), chunk))
                }
                Some(Piece::End(end)) if end.error.is_none() => {
                    return Response::new(200).header("content-type", kind);
                }
                _ => None,
            }
        }
    };
    let Some((mut response, begun)) = begun else {
        return broken();
    };
    let first = futures::stream::iter((!begun.is_empty()).then_some(Ok(begun)));
    let rest = streamed.pieces.filter_map(|piece| async move {
        match piece {
            Piece::Chunk(chunk) => Some(Ok(chunk)),
            // Too late for a status: the client sees that the answer breaks off.
            Piece::End(end) => end.error.map(|(kind, _)| Err(BodyError::Broken(kind))),
        }
    });
    response.body = Body::from_stream(first.chain(rest).boxed(), None);
    response
}

/// Reads the prelude; answers what came after it as well.
async fn after_prelude(streamed: &mut Streamed) -> Option<(Response, Bytes)> {
    let mut begun = BytesMut::new();
    let at = loop {
        if let Some(at) = separator(&begun) {
            break at;
        }
        match streamed.pieces.next().await {
            Some(Piece::Chunk(chunk)) if begun.len() < PRELUDE_BYTES_MAX => {
                begun.extend_from_slice(&chunk);
            }
            _ => return None,
        }
    };
    let response = prelude(begun.get(..at)?)?;
    let rest = begun.split_off(at + SEPARATOR.len());
    Some((response, rest.freeze()))
}

fn separator(bytes: &[u8]) -> Option<usize> {
    bytes.windows(SEPARATOR.len()).position(|window| window == SEPARATOR)
}

fn prelude(bytes: &[u8]) -> Option<Response> {
    let prelude: Value = serde_json::from_slice(bytes).ok()?;
    head(prelude.as_object()?)
}

/// Status, headers and cookies.
fn head(fields: &Map<String, Value>) -> Option<Response> {
    let status = match fields.get("statusCode") {
        None | Some(Value::Null) => 200,
        Some(Value::String(text)) => text.parse().ok()?,
        Some(value) => u16::try_from(value.as_u64()?).ok()?,
    };
    let mut response = Response::new(status);
    for (name, value) in fields.get("headers").and_then(Value::as_object).into_iter().flatten() {
        let value = match value {
            Value::String(text) => text.clone(),
            Value::Null => continue,
            other => other.to_string(),
        };
        response = response.header(name.to_ascii_lowercase(), value);
    }
    for cookie in fields.get("cookies").and_then(Value::as_array).into_iter().flatten() {
        if let Some(cookie) = cookie.as_str() {
            response = response.header("set-cookie", cookie);
        }
    }
    if !response.headers.iter().any(|(name, _)| name == "content-type") {
        response = response.header("content-type", "application/json");
    }
    Some(response)
}

/// A payload that is a response, or whose whole is the body of one.
fn whole(payload: &Bytes) -> Response {
    let value: Option<Value> = serde_json::from_slice(payload).ok();
    let is_response = |fields: &&Map<String, Value>| fields.contains_key("statusCode");
    let Some(fields) = value.as_ref().and_then(Value::as_object).filter(is_response) else {
        let body = match value {
            Some(Value::String(text)) => Bytes::from(text),
            _ => payload.clone(),
        };
        return Response::new(200).header("content-type", "application/json").body(body);
    };
    let Some(response) = head(fields) else { return broken() };
    let is_encoded = fields.get("isBase64Encoded").and_then(Value::as_bool).unwrap_or(false);
    match fields.get("body") {
        None | Some(Value::Null) => response,
        Some(Value::String(text)) if is_encoded => match BASE64.decode(text) {
            Ok(bytes) => response.body(bytes),
            Err(_) => broken(),
        },
        Some(Value::String(text)) => response.body(text.clone()),
        Some(other) => response.body(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_is_a_response_or_a_body() {
        let of = |text: &'static str| whole(&Bytes::from_static(text.as_bytes()));
        assert_eq!(of(r#"{"statusCode": "404"}"#).status, 404);
        assert_eq!(of(r#"{"statusCode": "x"}"#).status, 502);
        assert_eq!(of(r#"{"message": "plain"}"#).status, 200);
        let cookie = ("set-cookie".to_owned(), "a=b".to_owned());
        assert!(of(r#"{"statusCode": 200, "cookies": ["a=b"]}"#).headers.contains(&cookie));
    }
}
