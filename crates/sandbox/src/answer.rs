//! What an invocation comes back with.

use bytes::{Bytes, BytesMut};
use tokio::sync::{mpsc, oneshot};

/// The outcome of an invocation that reached the function.
#[derive(Debug)]
pub struct Answer {
    pub status: AnswerStatus,
    pub payload: AnswerBody,
    /// Last 4 KB of the log of this invocation, when asked for and not streamed.
    pub log_tail: Option<String>,
    /// Set on the invocation that started the instance.
    pub init_ms: Option<f64>,
    /// Zero while a response still streams: see [`StreamEnd`].
    pub duration_ms: f64,
    pub billed_ms: u64,
    pub memory_used_mb: u32,
    pub log_stream: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnswerStatus {
    Ok,
    /// `X-Amz-Function-Error`: always `Unhandled` today.
    FunctionError {
        kind: String,
    },
}

impl AnswerStatus {
    #[must_use]
    pub fn is_error(&self) -> bool {
        *self != Self::Ok
    }
}

#[derive(Debug)]
pub enum AnswerBody {
    Bytes { content_type: Option<String>, bytes: Bytes },
    Stream(ResponseStream),
}

impl AnswerBody {
    #[must_use]
    pub fn content_type(&self) -> Option<&str> {
        match self {
            Self::Bytes { content_type, .. } => content_type.as_deref(),
            Self::Stream(stream) => stream.content_type.as_deref(),
        }
    }

    /// The whole payload; a stream is read to its end (or to `bytes_max`).
    ///
    /// # Errors
    /// The error with which the function broke the stream off.
    pub async fn collect(self, bytes_max: usize) -> Result<Bytes, StreamError> {
        let mut stream = match self {
            Self::Bytes { bytes, .. } => return Ok(bytes),
            Self::Stream(stream) => stream,
        };
        let mut all = BytesMut::new();
        while let Some(chunk) = stream.chunk().await {
            if all.len() + chunk.len() > bytes_max {
                return Err(StreamError::too_large(bytes_max));
            }
            all.extend_from_slice(&chunk);
        }
        match stream.end().await.error {
            Some(error) => Err(error),
            None => Ok(all.freeze()),
        }
    }
}

/// A response that arrives chunk by chunk.
#[derive(Debug)]
pub struct ResponseStream {
    /// Content type that the runtime declared; `application/vnd.awslambda.http-integration-response` says that the
    /// bytes open with a JSON prelude and eight zero bytes.
    pub content_type: Option<String>,
    pub(crate) chunks: mpsc::Receiver<Bytes>,
    pub(crate) end: oneshot::Receiver<StreamEnd>,
}

impl ResponseStream {
    /// The next chunk, `None` at the end. Cancel-safe.
    pub async fn chunk(&mut self) -> Option<Bytes> {
        self.chunks.recv().await
    }

    /// How it ended; call after the last chunk.
    pub async fn end(self) -> StreamEnd {
        drop(self.chunks);
        self.end.await.unwrap_or_default()
    }
}

/// The end of a streamed response.
#[derive(Debug, Clone, Default)]
pub struct StreamEnd {
    /// The function failed in the middle of its response.
    pub error: Option<StreamError>,
    pub log_tail: Option<String>,
    pub duration_ms: f64,
    pub billed_ms: u64,
    pub memory_used_mb: u32,
}

/// Error of a broken stream, as in the `InvokeComplete` event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamError {
    /// `errorType`, e.g. `Sandbox.Timedout`.
    pub kind: String,
    /// The error payload (JSON).
    pub payload: Bytes,
}

impl StreamError {
    pub(crate) fn too_large(bytes_max: usize) -> Self {
        let (kind, payload) = crate::report::too_large(bytes_max);
        Self { kind: kind.to_owned(), payload }
    }
}
