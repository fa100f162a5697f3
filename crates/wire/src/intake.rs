//! S3's bodies on their way in: `aws-chunked` taken off, checksums laid over.

use std::borrow::Cow;

use bytes::Bytes;
use futures::stream::BoxStream;
use http::{HeaderMap, HeaderValue, header};
use undercast_kernel::ServiceError;
use undercast_smithy::{Body, BodyError};

use crate::checksum::{Checks, Trailers};
use crate::chunked::{ChunkSigner, Decoder};
use crate::http_binding::header_text;
use crate::sigv4::{Signature, SigningKey};

const SIGNED: [&str; 2] =
    ["STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"];

/// A body as the operation gets it, and the headers that describe it.
pub struct Intake<'h> {
    pub body: Body,
    pub headers: Cow<'h, HeaderMap>,
}

/// Prepares a body. `verified` is there where the signature has been verified, and so have to be
/// those of the chunks.
pub fn prepare<'h>(
    headers: &'h HeaderMap,
    body: Body,
    of_body: bool,
    verified: Option<(&Signature<'_>, SigningKey)>,
) -> Result<Intake<'h>, ServiceError> {
    let mut checks = Checks::declared(headers, of_body)?;
    let hash = headers.get("x-amz-content-sha256").map(|value| header_text(value.as_bytes()));
    let hash = hash.as_deref().unwrap_or_default();
    let encoding = headers.get(header::CONTENT_ENCODING).map(|value| header_text(value.as_bytes()));
    let chunked = hash.starts_with("STREAMING-")
        || encoding.as_deref().is_some_and(|e| e.split(',').any(|e| e.trim() == "aws-chunked"));
    if !chunked {
        if checks.is_empty() {
            return Ok(Intake { body, headers: Cow::Borrowed(headers) });
        }
        let length = body.length();
        let body = Body::from_stream(checks.over(body.into_stream()), length);
        return Ok(Intake { body, headers: Cow::Borrowed(headers) });
    }
    let signer = match verified {
        Some((signature, key)) if SIGNED.contains(&hash) => {
            let scope = signature.scope();
            Some(ChunkSigner::new(key, &signature.time, &scope, &signature.signature))
        }
        _ => None,
    };
    let length = headers.get("x-amz-decoded-content-length");
    let length = length.and_then(|value| value.to_str().ok()?.parse().ok());
    let trailers = Trailers::default();
    checks.expect_trailer(headers, &trailers);
    let decoder = Decoder::new(length, signer, &trailers);
    let decoded: BoxStream<'static, Result<Bytes, BodyError>> = decoder.over(body.into_stream());
    let stream = if checks.is_empty() { decoded } else { checks.over(decoded) };
    let headers = Cow::Owned(decoded_headers(headers, encoding.as_deref(), length));
    Ok(Intake { body: Body::from_stream(stream, length), headers })
}

/// The headers without what speaks of the encoding that has been taken off.
fn decoded_headers(headers: &HeaderMap, encoding: Option<&str>, length: Option<u64>) -> HeaderMap {
    let mut headers = headers.clone();
    let rest = encoding.unwrap_or_default().split(',').map(str::trim);
    let rest: Vec<_> = rest.filter(|e| !e.is_empty() && *e != "aws-chunked").collect();
    headers.remove(header::CONTENT_ENCODING);
    if let Some(rest) = HeaderValue::from_str(&rest.join(",")).ok().filter(|rest| !rest.is_empty())
    {
        headers.insert(header::CONTENT_ENCODING, rest);
    }
    headers.remove(header::CONTENT_LENGTH);
    if let Some(length) = length {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    headers
}
