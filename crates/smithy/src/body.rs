//! A stream of bytes that is read once: object bodies, code archives, streamed answers.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use futures::stream::BoxStream;

use crate::shape::{Shape, ShapeWriter, write_shape};

#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    #[error("the body is larger than {limit} bytes")]
    TooLarge { limit: u64 },
    /// What arrived does not match a declared length or checksum.
    #[error("{code}: {message}")]
    Invalid { code: &'static str, message: String },
    #[error("the body could not be read: {0}")]
    Broken(String),
}

/// What a body holds, once it is taken.
pub enum Content {
    Bytes(Bytes),
    Events(BoxStream<'static, Event>),
    Stream { stream: BoxStream<'static, Result<Bytes, BodyError>>, length: Option<u64> },
}

/// One event of a stream of events: its name in the union of the stream, and what it carries.
pub struct Event {
    pub name: &'static str,
    write: Box<dyn Fn(&mut dyn ShapeWriter) + Send + Sync>,
}

impl Event {
    pub fn new(name: &'static str, shape: impl Shape) -> Self {
        Self { name, write: Box::new(move |writer| write_shape(&shape, writer)) }
    }

    pub fn write(&self, writer: &mut dyn ShapeWriter) {
        (self.write)(writer);
    }
}

/// A body: a handle whose content can be taken once. The default is empty.
#[derive(Clone)]
pub struct Body(Arc<Mutex<Option<Content>>>);

impl Body {
    pub fn from_bytes(bytes: impl Into<Bytes>) -> Self {
        Self(Arc::new(Mutex::new(Some(Content::Bytes(bytes.into())))))
    }

    pub fn from_stream(
        stream: BoxStream<'static, Result<Bytes, BodyError>>,
        length: Option<u64>,
    ) -> Self {
        Self(Arc::new(Mutex::new(Some(Content::Stream { stream, length }))))
    }

    /// Events, which the wire writes in its own form, each as it comes.
    pub fn from_events(events: BoxStream<'static, Event>) -> Self {
        Self(Arc::new(Mutex::new(Some(Content::Events(events)))))
    }

    /// Whether the content is events, and has not been taken yet.
    pub fn is_events(&self) -> bool {
        let content = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        matches!(&*content, Some(Content::Events(_)))
    }

    /// Takes the content; whoever comes second finds nothing.
    pub fn take(&self) -> Content {
        let mut content = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        content.take().unwrap_or(Content::Bytes(Bytes::new()))
    }

    /// The length in bytes, where it is known.
    pub fn length(&self) -> Option<u64> {
        match self.0.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
            None => Some(0),
            Some(Content::Bytes(bytes)) => Some(bytes.len() as u64),
            Some(Content::Stream { length, .. }) => *length,
            Some(Content::Events(_)) => None,
        }
    }

    /// Takes the content into memory, at most `limit` bytes of it.
    pub async fn collect(&self, limit: u64) -> Result<Bytes, BodyError> {
        match self.take() {
            Content::Bytes(bytes) if bytes.len() as u64 > limit => {
                Err(BodyError::TooLarge { limit })
            }
            Content::Bytes(bytes) => Ok(bytes),
            Content::Events(_) => Err(events()),
            Content::Stream { mut stream, .. } => {
                let mut all = BytesMut::new();
                while let Some(chunk) = stream.next().await {
                    let chunk = chunk?;
                    if (all.len() + chunk.len()) as u64 > limit {
                        return Err(BodyError::TooLarge { limit });
                    }
                    all.extend_from_slice(&chunk);
                }
                Ok(all.freeze())
            }
        }
    }

    /// The content as a stream, whatever it is.
    pub fn into_stream(self) -> BoxStream<'static, Result<Bytes, BodyError>> {
        match self.take() {
            Content::Bytes(bytes) if bytes.is_empty() => futures::stream::empty().boxed(),
            Content::Bytes(bytes) => futures::stream::iter([Ok(bytes)]).boxed(),
            Content::Stream { stream, .. } => stream,
            Content::Events(_) => futures::stream::iter([Err(events())]).boxed(),
        }
    }
}

fn events() -> BodyError {
    BodyError::Broken("events have no bytes of their own".to_owned())
}

impl Default for Body {
    fn default() -> Self {
        Self::from_bytes(Bytes::new())
    }
}

/// Two handles are equal when they are handles to the same content.
impl PartialEq for Body {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body").field("length", &self.length()).finish()
    }
}
