//! Blobs in memory.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use futures::future::{BoxFuture, FutureExt, ready};

use super::{BlobId, BlobStore, Source};
use crate::env::Env;
use crate::error::{Error, lock};

pub(super) struct MemoryBlobs {
    env: Env,
    blobs: Mutex<BTreeMap<BlobId, (Bytes, Duration)>>,
}

impl MemoryBlobs {
    pub(super) fn new(env: Env) -> MemoryBlobs {
        MemoryBlobs { env, blobs: Mutex::default() }
    }

    fn is_old(&self, touched: Duration, age: Duration) -> bool {
        self.env.clock.monotonic().saturating_sub(touched) >= age
    }
}

impl BlobStore for MemoryBlobs {
    fn put(&self, mut content: Source) -> BoxFuture<'_, Result<BlobId, Error>> {
        Box::pin(async move {
            let mut whole = BytesMut::new();
            while let Some(piece) = content.next().await {
                whole.extend_from_slice(&piece?);
            }
            let id = BlobId::of(&whole);
            let now = self.env.clock.monotonic();
            lock(&self.blobs).insert(id, (whole.freeze(), now));
            Ok(id)
        })
    }

    fn stream(&self, id: BlobId, range: Range<u64>) -> BoxFuture<'_, Result<Source, Error>> {
        let content = lock(&self.blobs).get(&id).map(|(content, _)| content.clone());
        let missing = || Error::BlobMissing { hash: id.hash.to_string() };
        let part = content.ok_or_else(missing).map(|content| {
            let end = usize::try_from(range.end).unwrap_or(usize::MAX).min(content.len());
            let start = usize::try_from(range.start).unwrap_or(usize::MAX).min(end);
            futures::stream::iter([Ok(content.slice(start..end))]).boxed()
        });
        ready(part).boxed()
    }

    fn touch(&self, id: BlobId) -> BoxFuture<'_, Result<bool, Error>> {
        let now = self.env.clock.monotonic();
        let mut blobs = lock(&self.blobs);
        let found = blobs.get_mut(&id).map(|(_, touched)| *touched = now).is_some();
        ready(Ok(found)).boxed()
    }

    fn older_than(&self, age: Duration) -> BoxFuture<'_, Result<Vec<BlobId>, Error>> {
        let blobs = lock(&self.blobs);
        let old = blobs.iter().filter(|(_, (_, touched))| self.is_old(*touched, age));
        ready(Ok(old.map(|(id, _)| *id).collect())).boxed()
    }

    fn remove(&self, id: BlobId, age: Duration) -> BoxFuture<'_, Result<bool, Error>> {
        let mut blobs = lock(&self.blobs);
        let is_old = blobs.get(&id).is_some_and(|(_, touched)| self.is_old(*touched, age));
        if is_old {
            blobs.remove(&id);
        }
        ready(Ok(is_old)).boxed()
    }

    fn clear(&self) -> BoxFuture<'_, Result<(), Error>> {
        lock(&self.blobs).clear();
        ready(Ok(())).boxed()
    }

    fn path(&self, _id: BlobId) -> Option<PathBuf> {
        None
    }
}
