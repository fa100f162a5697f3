//! An invocation whose answer is passed on piece by piece, as the function writes it.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::StreamExt as _;
use futures::stream::BoxStream;
use undercast_kernel::{Answered, Context, Given, Pair, Served, ServiceError};
use undercast_sandbox::{AnswerBody, AnswerStatus, ResponseStream, StreamError};

use super::run::{given, pair, tell};
use super::trace::Noted;
use super::{Event, Functions, Running, Target};
use crate::limits::STREAM_BYTES_MAX;
use crate::name::FunctionName;

/// An answer that has begun.
pub(crate) struct Streamed {
    pub(crate) version: String,
    /// What the function says that it writes.
    pub(crate) content_type: Option<String>,
    /// Ends with `Piece::End`.
    pub(crate) pieces: BoxStream<'static, Piece>,
}

#[derive(Debug)]
pub(crate) enum Piece {
    Chunk(Bytes),
    End(End),
}

#[derive(Debug, Default)]
pub(crate) struct End {
    /// The kind of error, and what the function said of it.
    pub(crate) error: Option<(String, Bytes)>,
    pub(crate) log: Option<String>,
}

impl Functions {
    /// Runs one event; answers as soon as the function begins to. Where somebody watches, a candidate
    /// gets the event when the answer is complete.
    pub(crate) async fn stream(
        &self,
        ctx: &Context,
        target: &Target,
        event: Event,
    ) -> Result<Streamed, ServiceError> {
        let event = event.traced(ctx, target);
        let (request_id, trace_id) = (event.request_id.clone(), event.trace_id.clone());
        let begun = ctx.env().clock.monotonic();
        let watched = pair(ctx, target).map(|pair| Watched {
            given: given(target, &event),
            pair,
            seen: BytesMut::new(),
        });
        let on_side = match &watched {
            Some(watched) => ctx.on_side(watched.pair.side()),
            None => ctx.clone(),
        };
        let (answer, running) = self.begin(&on_side, target, event).await?;
        let content_type = answer.payload.content_type().map(str::to_owned);
        let mut end = End { error: None, log: answer.log_tail };
        let source = match (answer.payload, answer.status) {
            (AnswerBody::Stream(stream), _) => Source::Stream(stream),
            (AnswerBody::Bytes { bytes, .. }, AnswerStatus::Ok) => Source::Whole(bytes),
            (AnswerBody::Bytes { bytes, .. }, AnswerStatus::FunctionError { kind }) => {
                end.error = Some((kind, bytes));
                Source::Over
            }
        };
        let flow = Flow {
            source,
            end,
            bytes: 0,
            watched,
            running,
            request_id,
            trace_id,
            ctx: ctx.clone(),
            name: target.name.clone(),
            version: target.version.clone(),
            begun,
            is_cold: answer.init_ms.is_some(),
        };
        let pieces = futures::stream::unfold(Some(flow), |flow| async move { flow?.next().await });
        Ok(Streamed { version: target.version.clone(), content_type, pieces: pieces.boxed() })
    }
}

enum Source {
    Whole(Bytes),
    Stream(ResponseStream),
    Over,
}

/// What a pair is told at the end.
struct Watched {
    pair: Arc<dyn Pair>,
    given: Given,
    seen: BytesMut,
}

struct Flow {
    source: Source,
    end: End,
    bytes: usize,
    watched: Option<Watched>,
    running: Option<Running>,
    request_id: String,
    trace_id: Option<String>,
    ctx: Context,
    name: FunctionName,
    version: String,
    begun: Duration,
    is_cold: bool,
}

impl Flow {
    async fn next(mut self) -> Option<(Piece, Option<Self>)> {
        match std::mem::replace(&mut self.source, Source::Over) {
            Source::Whole(bytes) if !bytes.is_empty() => Some(self.chunk(bytes)),
            Source::Whole(_) | Source::Over => Some((self.finish(), None)),
            Source::Stream(mut stream) => match stream.chunk().await {
                Some(chunk) if self.bytes + chunk.len() > STREAM_BYTES_MAX => {
                    let message = format!(
                        "Response payload size exceeded maximum allowed payload size ({STREAM_BYTES_MAX} bytes)."
                    );
                    let error = serde_json::json!({
                        "errorType": "Function.ResponseSizeTooLarge",
                        "errorMessage": message,
                    });
                    let kind = "Function.ResponseSizeTooLarge".to_owned();
                    self.end.error = Some((kind, error.to_string().into()));
                    Some((self.finish(), None))
                }
                Some(chunk) => {
                    self.source = Source::Stream(stream);
                    Some(self.chunk(chunk))
                }
                None => {
                    let end = stream.end().await;
                    self.end.log = end.log_tail.or(self.end.log);
                    self.end.error = end.error.map(|StreamError { kind, payload }| (kind, payload));
                    Some((self.finish(), None))
                }
            },
        }
    }

    fn chunk(mut self, bytes: Bytes) -> (Piece, Option<Self>) {
        self.bytes += bytes.len();
        if let Some(watched) = &mut self.watched {
            watched.seen.extend_from_slice(&bytes);
        }
        (Piece::Chunk(bytes), Some(self))
    }

    fn finish(self) -> Piece {
        drop(self.running);
        let took = self.ctx.env().clock.monotonic().saturating_sub(self.begun);
        if let Some(Watched { pair, given, seen }) = self.watched {
            let (payload, error) = match &self.end.error {
                Some((kind, payload)) => (payload.clone(), Some(kind.clone())),
                None => (seen.freeze(), None),
            };
            pair.answered(given, Answered::Function { payload, error }, took);
        }
        let noted = Noted {
            request_id: self.request_id,
            trace_id: self.trace_id,
            name: &self.name,
            version: &self.version,
        };
        let error = self.end.error.as_ref().map(|(kind, _)| kind.clone());
        noted.note(&self.ctx, took, self.is_cold, error);
        let served = Served { took, failed: self.end.error.is_some(), is_cold: self.is_cold };
        tell(&self.ctx, &self.name, &self.version, served);
        Piece::End(self.end)
    }
}
