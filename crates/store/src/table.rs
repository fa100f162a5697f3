//! Typed tables: a key type, a row type, a place in the key space.

use std::cell::Cell;
use std::marker::PhantomData;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::db::Db;
use crate::error::Error;
use crate::key::{Key, KeyPrefix, KeyRange, escape};
use crate::tx::Tx;
use crate::watch::Watch;

/// What a table holds. Stored as a version byte and a self-describing map, so fields with a serde default can be
/// added freely; what changes the meaning of a field takes a new version and an arm in `upgrade`.
pub trait Row: Serialize + DeserializeOwned {
    const VERSION: u8;

    /// Reads what an older version wrote.
    fn upgrade(version: u8, bytes: &[u8]) -> Result<Self, Error> {
        let _ = bytes;
        Err(Error::corrupt(format!("a row of version {version} is unknown here")))
    }
}

impl Row for () {
    const VERSION: u8 = 1;
}
impl Row for bool {
    const VERSION: u8 = 1;
}
impl Row for u64 {
    const VERSION: u8 = 1;
}
impl Row for i64 {
    const VERSION: u8 = 1;
}
impl Row for String {
    const VERSION: u8 = 1;
}
impl Row for serde_bytes::ByteBuf {
    const VERSION: u8 = 1;
}

/// Decodes the body of a row: for `upgrade`, with the type that the older version had.
pub fn decode_row<R: DeserializeOwned>(bytes: &[u8]) -> Result<R, Error> {
    rmp_serde::from_slice(bytes).map_err(Error::corrupt)
}

thread_local! {
    /// Keys and rows are written here first, so that each takes one allocation of its size.
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// What stays of the space when a large row was written.
const SCRATCH_BYTES_MAX: usize = 64 << 10;

fn written<E>(write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>) -> Result<Bytes, E> {
    let mut scratch = SCRATCH.take();
    scratch.clear();
    let result = write(&mut scratch).map(|()| Bytes::copy_from_slice(&scratch));
    scratch.shrink_to(SCRATCH_BYTES_MAX);
    SCRATCH.set(scratch);
    result
}

fn encode<R: Row>(row: &R) -> Result<Bytes, Error> {
    written(|out| {
        out.push(R::VERSION);
        rmp_serde::encode::write_named(out, row).map_err(Error::corrupt)
    })
}

fn decode<R: Row>(bytes: &[u8]) -> Result<R, Error> {
    match bytes.split_first() {
        Some((version, body)) if *version == R::VERSION => decode_row(body),
        Some((version, body)) => R::upgrade(*version, body),
        None => Err(Error::corrupt("a row is empty")),
    }
}

/// `pub const QUEUES: Table<(String, String, String), QueueRow> = Table::new(keyspace::SQS, "queues");`
pub struct Table<K, R> {
    space: u16,
    name: &'static str,
    types: PhantomData<fn() -> (K, R)>,
}

impl<K, R> Clone for Table<K, R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K, R> Copy for Table<K, R> {}

impl<K: Key, R: Row> Table<K, R> {
    /// The name stands in every key: keep it short, and never change it.
    pub const fn new(space: u16, name: &'static str) -> Self {
        Table { space, name, types: PhantomData }
    }

    /// The encoded key.
    pub fn key(&self, key: &(impl KeyPrefix + ?Sized)) -> Bytes {
        self.starting(key, |_| ())
    }

    fn starting(&self, key: &(impl KeyPrefix + ?Sized), more: impl FnOnce(&mut Vec<u8>)) -> Bytes {
        let key = written::<std::convert::Infallible>(|out| {
            out.extend_from_slice(&self.space.to_be_bytes());
            out.extend_from_slice(self.name.as_bytes());
            out.push(0);
            key.encode(out);
            more(out);
            Ok(())
        });
        match key {
            Ok(key) => key,
            Err(never) => match never {},
        }
    }

    /// The key of a row that `Tx::range`, `Watch::take_lowest` or an overlay gave, if it is of this table.
    pub fn decode_key(&self, key: &[u8]) -> Option<Result<K, Error>> {
        let rest = key.strip_prefix(&self.space.to_be_bytes())?;
        let mut rest = rest.strip_prefix(self.name.as_bytes())?.strip_prefix(&[0])?;
        Some(K::decode(&mut rest))
    }

    pub fn decode_row(&self, value: &[u8]) -> Result<R, Error> {
        decode(value)
    }

    /// All rows.
    pub fn all(&self) -> KeyRange {
        self.prefix(&())
    }

    /// The rows whose keys begin with these parts: `table.prefix(&("a", "b"))`.
    pub fn prefix(&self, parts: &(impl KeyPrefix + ?Sized)) -> KeyRange {
        KeyRange::prefix(self.key(parts))
    }

    /// The rows whose keys begin with `parts` and go on with a text that begins with `text`.
    pub fn starting_with(&self, parts: &(impl KeyPrefix + ?Sized), text: &str) -> KeyRange {
        KeyRange::prefix(self.starting(parts, |out| escape(text.as_bytes(), out)))
    }

    /// The rows under `parts` from `key` on: `key` may be a leading part.
    pub fn from(
        &self,
        parts: &(impl KeyPrefix + ?Sized),
        key: &(impl KeyPrefix + ?Sized),
    ) -> KeyRange {
        self.prefix(parts).from_key(self.key(key))
    }

    /// The rows under `parts` after the row `key`.
    pub fn after(&self, parts: &(impl KeyPrefix + ?Sized), key: &K) -> KeyRange {
        self.prefix(parts).after_key(&self.key(key))
    }

    /// The rows from `from` on, up to but without `to`; both may be leading parts.
    pub fn between(
        &self,
        from: &(impl KeyPrefix + ?Sized),
        to: &(impl KeyPrefix + ?Sized),
    ) -> KeyRange {
        KeyRange::between(self.key(from), self.key(to))
    }

    pub async fn get(&self, tx: &Tx, key: &K) -> Result<Option<R>, Error> {
        let value = tx.get_key(self.key(key)).await?;
        value.map(|value| decode(&value)).transpose()
    }

    pub fn put(&self, tx: &Tx, key: &K, row: &R) -> Result<(), Error> {
        tx.put(self.key(key), encode(row)?)
    }

    pub fn delete(&self, tx: &Tx, key: &K) -> Result<(), Error> {
        tx.delete(self.key(key))
    }

    /// The first `limit` rows of the range, or its last ones in falling order.
    pub async fn scan(
        &self,
        tx: &Tx,
        range: KeyRange,
        limit: usize,
        reverse: bool,
    ) -> Result<Vec<(K, R)>, Error> {
        self.typed(tx.range(range, limit, reverse).await?)
    }

    /// Up to `n` rows that are ours alone until the transaction ends: see [`Tx::claim`].
    pub async fn claim(&self, tx: &Tx, range: KeyRange, n: usize) -> Result<Vec<(K, R)>, Error> {
        self.typed(tx.claim(range, n).await?)
    }

    fn typed(&self, rows: Vec<(Bytes, Bytes)>) -> Result<Vec<(K, R)>, Error> {
        let typed = |(key, value): (Bytes, Bytes)| {
            let foreign =
                || Error::corrupt(format!("a range of another table was read as {}", self.name));
            Ok((self.decode_key(&key).ok_or_else(foreign)??, decode(&value)?))
        };
        rows.into_iter().map(typed).collect()
    }

    /// One row, outside of any transaction.
    pub async fn read(&self, db: &Db, key: &K) -> Result<Option<R>, Error> {
        self.get(&db.begin().await?, key).await
    }

    /// One page of rows, outside of any transaction.
    pub async fn list(
        &self,
        db: &Db,
        range: KeyRange,
        limit: usize,
        reverse: bool,
    ) -> Result<Vec<(K, R)>, Error> {
        self.scan(&db.begin().await?, range, limit, reverse).await
    }

    /// Tells of commits to rows whose keys begin with these parts.
    pub fn watch(&self, db: &Db, parts: &(impl KeyPrefix + ?Sized)) -> Watch {
        db.watch(&self.key(parts))
    }
}
