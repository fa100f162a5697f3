//! Blobs: bodies too large for rows, named by what they hold.
//!
//! A blob is put first and linked by a row afterwards, in the transaction that needs it. What no row links is
//! collected once it is old enough; a put of the same content makes it young again.

mod files;
mod memory;

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use futures::{Stream, StreamExt};
use serde::{Deserialize, Serialize};

use crate::db::{Db, Durability};
use crate::env::Env;
use crate::error::Error;
use crate::table::Table;
use crate::tx::Tx;

/// Which owners name a blob.
pub(crate) const LINKS: Table<(Vec<u8>, Vec<u8>), ()> = Table::new(0xfff1, "b");

/// The name of a blob: the BLAKE3 hash of its content, and its length. Small enough to stand in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BlobId {
    pub hash: BlobHash,
    pub len: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobHash(pub [u8; 32]);

impl BlobId {
    pub fn of(content: &[u8]) -> BlobId {
        BlobId { hash: BlobHash(blake3::hash(content).into()), len: content.len() as u64 }
    }
}

impl std::fmt::Display for BlobHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl std::fmt::Debug for BlobHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

impl Serialize for BlobHash {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for BlobHash {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<BlobHash, D::Error> {
        Ok(BlobHash(serde_bytes::ByteArray::<32>::deserialize(deserializer)?.into_array()))
    }
}

/// A stream of content, as it comes in: any error ends the put.
pub type Source = BoxStream<'static, Result<Bytes, Error>>;

/// Where blobs lie. `put` and `remove` of one blob never overlap: [`Blobs`] sees to that.
pub trait BlobStore: Send + Sync + 'static {
    /// Stores what the stream gives. When this returns, it is as durable as the store promises.
    fn put(&self, content: Source) -> BoxFuture<'_, Result<BlobId, Error>>;
    /// The bytes of the range, in pieces.
    fn stream(&self, id: BlobId, range: Range<u64>) -> BoxFuture<'_, Result<Source, Error>>;
    /// Makes the blob young; false if it is not there.
    fn touch(&self, id: BlobId) -> BoxFuture<'_, Result<bool, Error>>;
    /// All blobs that are older than `age`. May name each one more than once.
    fn older_than(&self, age: Duration) -> BoxFuture<'_, Result<Vec<BlobId>, Error>>;
    /// Removes the blob if it is still older than `age`.
    fn remove(&self, id: BlobId, age: Duration) -> BoxFuture<'_, Result<bool, Error>>;
    fn clear(&self) -> BoxFuture<'_, Result<(), Error>>;
    /// The file that holds the blob, where there is one.
    fn path(&self, id: BlobId) -> Option<PathBuf>;
}

#[derive(Clone)]
pub struct Blobs {
    store: Arc<dyn BlobStore>,
}

/// What a collection removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Collected {
    pub blobs: u64,
    pub bytes: u64,
}

impl std::fmt::Debug for Blobs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Blobs")
    }
}

impl Blobs {
    pub fn new(store: Arc<dyn BlobStore>) -> Blobs {
        Blobs { store }
    }

    pub fn memory(env: &Env) -> Blobs {
        Blobs::new(Arc::new(memory::MemoryBlobs::new(env.clone())))
    }

    /// Files in a folder. Needs a tokio runtime.
    pub fn files(dir: PathBuf, durability: Durability) -> Result<Blobs, Error> {
        Ok(Blobs::new(Arc::new(files::FileBlobs::open(dir, durability != Durability::None)?)))
    }

    pub async fn put(&self, content: impl Into<Bytes>) -> Result<BlobId, Error> {
        let content = content.into();
        if self.store.touch(BlobId::of(&content)).await? {
            return Ok(BlobId::of(&content));
        }
        self.store.put(futures::stream::iter([Ok(content)]).boxed()).await
    }

    /// Stores a stream; memory holds only the piece that is under way.
    pub async fn put_stream<S, E>(&self, content: S) -> Result<BlobId, Error>
    where
        S: Stream<Item = Result<Bytes, E>> + Send + 'static,
        E: std::fmt::Display,
    {
        self.store.put(content.map(|piece| piece.map_err(Error::unavailable)).boxed()).await
    }

    /// The whole content, checked against its name.
    pub async fn get(&self, id: &BlobId) -> Result<Bytes, Error> {
        let mut source = self.store.stream(*id, 0..id.len).await?;
        let mut content =
            bytes::BytesMut::with_capacity(usize::try_from(id.len).unwrap_or_default());
        while let Some(piece) = source.next().await {
            content.extend_from_slice(&piece?);
        }
        if BlobId::of(&content) != *id {
            return Err(Error::BlobDamaged { hash: id.hash.to_string() });
        }
        Ok(content.freeze())
    }

    /// The content, or a part of it, in pieces.
    pub async fn stream(&self, id: &BlobId, range: Option<Range<u64>>) -> Result<Source, Error> {
        let range = range.unwrap_or(0..id.len);
        let end = range.end.min(id.len);
        self.store.stream(*id, range.start.min(end)..end).await
    }

    /// The file that holds the blob, if blobs are local files.
    pub fn path(&self, id: &BlobId) -> Option<PathBuf> {
        self.store.path(*id)
    }

    pub(crate) async fn all(&self) -> Result<Vec<BlobId>, Error> {
        self.store.older_than(Duration::ZERO).await
    }

    /// Makes the blob young; false if it is not there.
    pub(crate) async fn touch(&self, id: &BlobId) -> Result<bool, Error> {
        self.store.touch(*id).await
    }

    pub(crate) async fn clear(&self) -> Result<(), Error> {
        self.store.clear().await
    }

    /// Removes blobs older than `age` that no row of `db` links. `age` must be longer than anybody takes from
    /// a put to the commit of its link.
    pub async fn collect(&self, db: &Db, age: Duration) -> Result<Collected, Error> {
        let mut collected = Collected::default();
        for id in self.store.older_than(age).await? {
            if is_linked(&db.begin().await?, id).await? {
                continue;
            }
            if self.store.remove(id, age).await? {
                collected.blobs += 1;
                collected.bytes += id.len;
            }
        }
        Ok(collected)
    }
}

async fn is_linked(tx: &Tx, id: BlobId) -> Result<bool, Error> {
    let range = LINKS.prefix(&id.hash.0.as_slice());
    Ok(!tx.range(range, 1, false).await?.is_empty())
}

impl Tx {
    /// Names `owner` as one that needs the blob.
    pub fn link_blob(&self, id: &BlobId, owner: &[u8]) -> Result<(), Error> {
        LINKS.put(self, &(id.hash.0.to_vec(), owner.to_vec()), &())
    }

    /// `owner` does not need the blob any more.
    pub fn unlink_blob(&self, id: &BlobId, owner: &[u8]) -> Result<(), Error> {
        LINKS.delete(self, &(id.hash.0.to_vec(), owner.to_vec()))
    }
}
