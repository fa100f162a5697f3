//! Content on its way in: kept in memory while it is small, else streamed to a blob while it is
//! hashed beside the stream, on threads that may block.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Bytes, BytesMut};
use futures::stream::BoxStream;
use futures::{Stream, StreamExt};
use md5::{Digest as _, Md5};
use undercast_kernel::{Context, ServiceError};
use undercast_smithy::{Body, BodyError};
use undercast_store::BlobId;

use super::checksum::{self, Algorithm, Hasher, full};
use crate::error;
use crate::limits::PIECE_BYTES;
use crate::store::Checksum;

/// What came in.
pub(crate) struct Ingested {
    /// In hexadecimal digits.
    pub(crate) md5: String,
    pub(crate) checksum: Checksum,
    pub(crate) content: Taken,
}

pub(crate) enum Taken {
    Bytes(Bytes),
    Blob(BlobId),
}

impl Ingested {
    pub(crate) fn size(&self) -> u64 {
        match &self.content {
            Taken::Bytes(bytes) => bytes.len() as u64,
            Taken::Blob(blob) => blob.len,
        }
    }
}

/// Where the checksum comes from.
pub(crate) enum Wanted {
    /// The caller gave it, and the wire compares it with what flows by.
    Given(Checksum),
    Calculated(Algorithm),
}

impl Wanted {
    pub(crate) fn new(
        given: Option<(Algorithm, String)>,
        algorithm: Option<&str>,
    ) -> Result<Self, ServiceError> {
        if let Some((algorithm, value)) = given {
            return Ok(Self::Given(Checksum {
                algorithm: algorithm.name().to_owned(),
                value,
                composite: false,
            }));
        }
        let algorithm = algorithm.map_or(Ok(Algorithm::Crc64Nvme), checksum::parse)?;
        Ok(Self::Calculated(algorithm))
    }
}

struct Hashers {
    md5: Md5,
    extra: Option<(Algorithm, Hasher)>,
}

impl Hashers {
    fn new(wanted: &Wanted) -> Self {
        let extra = match wanted {
            Wanted::Given(_) => None,
            Wanted::Calculated(algorithm) => Some((*algorithm, Hasher::new(*algorithm))),
        };
        Self { md5: Md5::new(), extra }
    }

    fn update(&mut self, bytes: &[u8]) {
        self.md5.update(bytes);
        if let Some((_, hasher)) = &mut self.extra {
            hasher.update(bytes);
        }
    }

    fn finish(self, wanted: Wanted) -> (String, Checksum) {
        let checksum = match (wanted, self.extra) {
            (Wanted::Given(checksum), _) => checksum,
            (Wanted::Calculated(algorithm), Some((_, hasher))) => full(algorithm, &hasher.finish()),
            (Wanted::Calculated(algorithm), None) => full(algorithm, &[]),
        };
        (hex::encode(self.md5.finalize()), checksum)
    }
}

/// Takes a body in. Up to `memory_max` bytes stay in memory.
pub(crate) async fn take(
    ctx: &Context,
    body: Body,
    wanted: Wanted,
    memory_max: usize,
    bytes_max: u64,
) -> Result<Ingested, ServiceError> {
    if body.length().is_some_and(|length| length > bytes_max) {
        return Err(error::too_large(bytes_max));
    }
    let mut stream = body.into_stream();
    let mut hashers = Hashers::new(&wanted);
    let mut head = Bytes::new();
    while head.len() <= memory_max {
        match stream.next().await {
            Some(piece) => head = joined(head, piece.map_err(error::body)?),
            None => {
                hashers.update(&head);
                let (md5, checksum) = hashers.finish(wanted);
                return Ok(Ingested { md5, checksum, content: Taken::Bytes(head) });
            }
        }
    }
    let outcome = Arc::new(Outcome::default());
    let source = pieces(head, stream);
    let hashed = hashed(source, hashers, bytes_max, Arc::clone(&outcome));
    let stored = ctx.store().blobs().put_stream(hashed).await;
    if let Some(failure) = take_from(&outcome.failure) {
        return Err(error::body(failure));
    }
    let blob = stored?;
    let hashers = take_from(&outcome.hashers)
        .ok_or_else(|| ServiceError::internal("a blob was stored before its stream had ended"))?;
    let (md5, checksum) = hashers.finish(wanted);
    Ok(Ingested { md5, checksum, content: Taken::Blob(blob) })
}

/// Reads what is left of a small body whose request is refused: the client sends it in any case, and
/// may use the connection again only behind it.
pub(crate) async fn drain(body: &Body) {
    if body.length().is_some_and(|length| length <= PIECE_BYTES as u64) {
        let _ = body.collect(PIECE_BYTES as u64).await;
    }
}

fn joined(head: Bytes, piece: Bytes) -> Bytes {
    if head.is_empty() {
        return piece;
    }
    let mut all = BytesMut::from(head);
    all.extend_from_slice(&piece);
    all.freeze()
}

/// What a stream leaves behind when it has ended.
#[derive(Default)]
struct Outcome {
    hashers: Mutex<Option<Hashers>>,
    failure: Mutex<Option<BodyError>>,
}

fn take_from<T>(slot: &Mutex<Option<T>>) -> Option<T> {
    slot.lock().unwrap_or_else(PoisonError::into_inner).take()
}

fn leave<T>(slot: &Mutex<Option<T>>, value: T) {
    *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
}

type Pieces = BoxStream<'static, Result<Bytes, BodyError>>;

/// Cuts a stream into larger pieces: each costs a file system call.
fn pieces(head: Bytes, stream: Pieces) -> Pieces {
    let all = futures::stream::iter([Ok(head)]).chain(stream).boxed();
    futures::stream::unfold(Some(all), |stream| async move {
        let mut stream = stream?;
        let mut piece = Bytes::new();
        let mut gathered: Option<BytesMut> = None;
        loop {
            let len = gathered.as_ref().map_or(piece.len(), BytesMut::len);
            if len >= PIECE_BYTES {
                break;
            }
            match stream.next().await {
                Some(Ok(next)) if len == 0 => piece = next,
                Some(Ok(next)) => {
                    let buffer = gathered.get_or_insert_with(|| {
                        let mut buffer = BytesMut::with_capacity(PIECE_BYTES + next.len());
                        buffer.extend_from_slice(&piece);
                        buffer
                    });
                    buffer.extend_from_slice(&next);
                }
                Some(Err(error)) => return Some((Err(error), None)),
                None if len == 0 => return None,
                None => {
                    let piece = gathered.map_or(piece, BytesMut::freeze);
                    return Some((Ok(piece), None));
                }
            }
        }
        Some((Ok(gathered.map_or(piece, BytesMut::freeze)), Some(stream)))
    })
    .boxed()
}

/// Hashes one piece while the next is under way.
enum Hashing {
    Idle(Hashers),
    Busy(tokio::task::JoinHandle<Hashers>),
}

impl Hashing {
    async fn settle(self) -> Option<Hashers> {
        match self {
            Self::Idle(hashers) => Some(hashers),
            Self::Busy(handle) => handle.await.ok(),
        }
    }

    async fn update(self, piece: Bytes) -> Option<Self> {
        let mut hashers = self.settle().await?;
        let update = move || {
            hashers.update(&piece);
            hashers
        };
        Some(match tokio::runtime::Handle::try_current() {
            Ok(runtime) => Self::Busy(runtime.spawn_blocking(update)),
            Err(_) => Self::Idle(update()),
        })
    }
}

/// Passes pieces on and hashes them. Errors are kept whole in `outcome`, because the store only
/// keeps their text.
fn hashed(
    source: Pieces,
    hashers: Hashers,
    bytes_max: u64,
    outcome: Arc<Outcome>,
) -> impl Stream<Item = Result<Bytes, &'static str>> + Send + 'static {
    let state = Some((source, Hashing::Idle(hashers), 0u64, outcome));
    futures::stream::unfold(state, move |state| async move {
        let (mut source, hashing, total, outcome) = state?;
        let piece = match source.next().await {
            Some(Ok(piece)) => piece,
            Some(Err(error)) => {
                leave(&outcome.failure, error);
                return Some((Err("the body is not as it was declared"), None));
            }
            None => {
                leave(&outcome.hashers, hashing.settle().await?);
                return None;
            }
        };
        let total = total + piece.len() as u64;
        if total > bytes_max {
            leave(&outcome.failure, BodyError::TooLarge { limit: bytes_max });
            return Some((Err("the body is too large"), None));
        }
        match hashing.update(piece.clone()).await {
            Some(hashing) => Some((Ok(piece), Some((source, hashing, total, outcome)))),
            None => Some((Err("hashing failed"), None)),
        }
    })
}
