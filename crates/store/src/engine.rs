//! What the embedded store asks of a key-value product: a consistent view, an atomic batch, a sync.
//!
//! Everything else (conflicts, claims, counters, watches) is done once, above, in `local`. Only the modules
//! below this one name a product. The trait is public so that a simulator can bring an engine that fails.

pub(crate) mod fjall;
mod memory;
pub(crate) mod redb;
pub(crate) mod thread;

use std::sync::Arc;

use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt, ready};

use crate::error::Error;
use crate::key::KeyRange;

pub use memory::MemoryEngine;

/// An engine on storage that the caller brings: for files that forget what was not synced.
pub fn redb_on(
    storage: impl ::redb::StorageBackend,
    cache_bytes: usize,
) -> Result<Arc<dyn Engine>, Error> {
    Ok(Arc::new(thread::Threaded::start(redb::Redb::open_on(storage, cache_bytes)?, ())?))
}

pub type Pair = (Bytes, Bytes);
/// A key and its new value, or none to delete it. A batch holds each key once.
pub type Write = (Bytes, Option<Bytes>);

pub trait Engine: Send + Sync + 'static {
    /// What was applied up to now, unchanged for as long as the view lives.
    fn view(&self) -> Result<Arc<dyn View>, Error>;

    /// Applies all writes or none. With `sync`, they are on disk when this returns.
    ///
    /// One batch at a time. After an error the state of the engine is unknown and it is not used again.
    fn apply(&self, writes: Vec<Write>, sync: bool) -> BoxFuture<'_, Result<(), Error>>;

    /// Puts on disk what was applied without a sync.
    fn sync(&self) -> BoxFuture<'_, Result<(), Error>>;

    /// Whether `apply` never waits, so that a commit can be done in the caller's own task.
    fn is_immediate(&self) -> bool {
        false
    }

    /// Releases files and threads, once all views are gone.
    fn close(&self) -> BoxFuture<'_, ()> {
        ready(()).boxed()
    }
}

pub trait View: Send + Sync {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, Error>;

    /// The first `limit` pairs of the range in order, or the last ones in falling order.
    fn range(&self, range: &KeyRange, limit: usize, reverse: bool) -> Result<Vec<Pair>, Error>;
}
