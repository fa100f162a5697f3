//! An answer on its way out, and its body as hyper wants it.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use http_body::{Frame, SizeHint};
use undercast_smithy::{Body, BodyError, Content};

/// An answer before it becomes hyper's.
#[derive(Debug, Default)]
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Body,
}

impl Reply {
    pub fn new(status: u16) -> Self {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self { status, headers: HeaderMap::new(), body: Body::default() }
    }

    #[must_use]
    pub fn with_body(mut self, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        self.headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        self.body = Body::from_bytes(body);
        self
    }

    /// Sets a header; what cannot be one is left out.
    pub fn header(&mut self, name: &str, value: &str) {
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_bytes(value.as_bytes()))
        {
            self.headers.insert(name, value);
        }
    }

    pub fn into_response(self) -> http::Response<ReplyBody> {
        let mut response = http::Response::new(ReplyBody::from(self.body));
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        response
    }
}

/// Bytes at once, or a stream of them.
pub struct ReplyBody(State);

enum State {
    Full(Bytes),
    Stream { stream: BoxStream<'static, Result<Bytes, BodyError>>, left: Option<u64> },
}

impl std::fmt::Debug for ReplyBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ReplyBody")
    }
}

impl From<Body> for ReplyBody {
    fn from(body: Body) -> Self {
        match body.take() {
            Content::Bytes(bytes) => Self(State::Full(bytes)),
            Content::Stream { stream, length } => Self(State::Stream { stream, left: length }),
            Content::Events(events) => {
                Self(State::Stream { stream: crate::event_stream::encode(events), left: None })
            }
        }
    }
}

impl http_body::Body for ReplyBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut self.0 {
            State::Full(bytes) if bytes.is_empty() => Poll::Ready(None),
            State::Full(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            State::Stream { stream, left } => stream.poll_next_unpin(cx).map(|next| {
                next.map(|chunk| {
                    let chunk = chunk?;
                    if let Some(left) = left {
                        *left = left.saturating_sub(chunk.len() as u64);
                    }
                    Ok(Frame::data(chunk))
                })
            }),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            State::Full(bytes) => bytes.is_empty(),
            State::Stream { left, .. } => *left == Some(0),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            State::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            State::Stream { left: Some(left), .. } => SizeHint::with_exact(*left),
            State::Stream { left: None, .. } => SizeHint::default(),
        }
    }
}
