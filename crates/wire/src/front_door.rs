//! Requests and answers of the front doors, between hyper's types and the kernel's.

use bytes::{Bytes, BytesMut};
use futures::StreamExt as _;
use http::request::Parts;
use http_body_util::BodyExt as _;
use undercast_kernel::http::{Request, Response, Signed};
use undercast_smithy::{Body, BodyError};

use crate::http_binding::header_text;
use crate::reply::Reply;

/// A request's body as a stream of ours.
pub fn stream<B>(body: B) -> Body
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: std::fmt::Display,
{
    if body.is_end_stream() {
        return Body::default();
    }
    let length = body.size_hint().exact();
    let chunks = Box::pin(body).into_data_stream();
    let stream = chunks.map(|chunk| chunk.map_err(|error| BodyError::Broken(error.to_string())));
    Body::from_stream(stream.boxed(), length)
}

/// Takes a body into memory, at most `limit` bytes of it. One that arrives whole is not copied.
pub async fn collect<B>(body: B, limit: u64) -> Result<Bytes, BodyError>
where
    B: http_body::Body<Data = Bytes> + Unpin,
    B::Error: std::fmt::Display,
{
    if body.size_hint().lower() > limit {
        return Err(BodyError::TooLarge { limit });
    }
    let mut body = body;
    let mut first = Bytes::new();
    let mut all = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| BodyError::Broken(error.to_string()))?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        if (first.len() + all.len() + data.len()) as u64 > limit {
            return Err(BodyError::TooLarge { limit });
        }
        if first.is_empty() && all.is_empty() {
            first = data;
        } else {
            if all.is_empty() {
                all.extend_from_slice(&std::mem::take(&mut first));
            }
            all.extend_from_slice(&data);
        }
    }
    Ok(if all.is_empty() { first } else { all.freeze() })
}

/// The host that a request is for, with its port.
pub fn host(parts: &Parts) -> &str {
    let header = parts.headers.get(http::header::HOST).and_then(|host| host.to_str().ok());
    header.or_else(|| parts.uri.authority().map(|a| a.as_str())).unwrap_or_default()
}

/// What a front door sees of a request before it is known whose it is: no headers, no body.
pub fn outline(parts: &Parts, scheme: &'static str, source_ip: &str) -> Request {
    Request {
        method: parts.method.as_str().to_owned(),
        scheme,
        host: host(parts).to_owned(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        protocol: match parts.version {
            http::Version::HTTP_10 => "HTTP/1.0",
            http::Version::HTTP_2 => "HTTP/2.0",
            _ => "HTTP/1.1",
        },
        headers: form(parts).into_iter().collect(),
        body: Body::default(),
        side: None,
        stand_in: None,
        caller: Signed::No,
        source_ip: source_ip.to_owned(),
    }
}

/// The one header that an outline has: nothing else tells a form from a call.
fn form(parts: &Parts) -> Option<(String, String)> {
    let kind = parts.headers.get(http::header::CONTENT_TYPE)?.to_str().ok()?;
    let form = kind.starts_with("multipart/form-data");
    form.then(|| ("content-type".to_owned(), kind.to_owned()))
}

/// Adds headers and body to an outline.
pub fn complete(mut outline: Request, parts: &Parts, body: Body) -> Request {
    let headers = parts.headers.iter();
    outline.headers = headers
        .map(|(name, value)| (name.as_str().to_owned(), header_text(value.as_bytes()).into_owned()))
        .collect();
    outline.body = body;
    outline
}

/// A front door's answer.
pub fn reply(response: Response) -> Reply {
    let mut reply = Reply::new(response.status);
    for (name, value) in &response.headers {
        let name = http::HeaderName::from_bytes(name.as_bytes());
        let value = http::HeaderValue::from_bytes(value.as_bytes());
        if let (Ok(name), Ok(value)) = (name, value) {
            reply.headers.append(name, value);
        }
    }
    reply.body = response.body;
    reply
}
