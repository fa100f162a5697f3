//! An invocation as the Runtime API writes it.

use bytes::{Bytes, BytesMut};

use crate::function::Invocation;

/// The response to `GET /runtime/invocation/next`, head and body in one piece.
pub(crate) fn event(invocation: &Invocation, deadline_ms: u64) -> Bytes {
    let mut out = BytesMut::with_capacity(512 + invocation.payload.len());
    out.extend_from_slice(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n");
    let mut header = |name: &str, value: &str| {
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b": ");
        // A value of the caller must not open another header.
        out.extend(value.bytes().map(|b| if b.is_ascii_control() { b' ' } else { b }));
        out.extend_from_slice(b"\r\n");
    };
    header("Lambda-Runtime-Aws-Request-Id", &invocation.request_id);
    header("Lambda-Runtime-Deadline-Ms", &deadline_ms.to_string());
    header("Lambda-Runtime-Invoked-Function-Arn", &invocation.invoked_arn);
    for (name, value) in [
        ("Lambda-Runtime-Trace-Id", &invocation.trace_id),
        ("Lambda-Runtime-Client-Context", &invocation.client_context),
        ("Lambda-Runtime-Cognito-Identity", &invocation.cognito_identity),
    ] {
        if let Some(value) = value {
            header(name, value);
        }
    }
    header("Content-Length", &invocation.payload.len().to_string());
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(&invocation.payload);
    out.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_cannot_open_another_header() {
        let invocation = Invocation {
            request_id: "id".into(),
            payload: Bytes::from_static(b"{}"),
            client_context: Some("{\r\nX: 1}".into()),
            ..Invocation::default()
        };
        let text = String::from_utf8(event(&invocation, 7).to_vec()).unwrap();
        assert!(text.contains("\r\nLambda-Runtime-Client-Context: {  X: 1}\r\n"), "{text}");
        assert!(text.ends_with("\r\nContent-Length: 2\r\n\r\n{}"), "{text}");
    }
}
