//! redb: a copy-on-write B-tree in one file.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use redb::{
    Database, Durability, ReadOnlyTable, ReadableDatabase, StorageBackend, TableDefinition,
};

use super::thread::Product;
use super::{Pair, View, Write};
use crate::error::Error;
use crate::key::KeyRange;

const ROWS: TableDefinition<'static, &[u8], &[u8]> = TableDefinition::new("rows");

pub(crate) struct Redb {
    db: Database,
}

fn failed(error: impl Into<redb::Error>) -> Error {
    match error.into() {
        redb::Error::DatabaseAlreadyOpen => Error::Locked { path: "of the engine".to_owned() },
        error => Error::unavailable(error),
    }
}

impl Redb {
    pub(crate) fn open(path: &Path, cache_bytes: u64) -> Result<Redb, Error> {
        let mut builder = Database::builder();
        builder.set_cache_size(usize::try_from(cache_bytes).unwrap_or(usize::MAX));
        Redb::prepared(builder.create(path).map_err(failed)?)
    }

    /// Opens on storage that the caller brings: for files that forget what was not synced.
    pub(crate) fn open_on(storage: impl StorageBackend, cache_bytes: usize) -> Result<Redb, Error> {
        let mut builder = Database::builder();
        builder.set_cache_size(cache_bytes);
        Redb::prepared(builder.create_with_backend(storage).map_err(failed)?)
    }

    fn prepared(db: Database) -> Result<Redb, Error> {
        let has_rows = {
            let read = db.begin_read().map_err(failed)?;
            read.open_table(ROWS).is_ok()
        };
        if !has_rows {
            let write = db.begin_write().map_err(failed)?;
            write.open_table(ROWS).map_err(failed)?;
            write.commit().map_err(failed)?;
        }
        Ok(Redb { db })
    }
}

fn durability(sync: bool) -> Durability {
    if sync { Durability::Immediate } else { Durability::None }
}

impl Product for Redb {
    fn view(&self) -> Result<Arc<dyn View>, Error> {
        let read = self.db.begin_read().map_err(failed)?;
        Ok(Arc::new(RedbView { rows: read.open_table(ROWS).map_err(failed)? }))
    }

    fn apply(&mut self, writes: Vec<Write>, sync: bool) -> Result<(), Error> {
        let mut write = self.db.begin_write().map_err(failed)?;
        write.set_durability(durability(sync)).map_err(failed)?;
        {
            let mut rows = write.open_table(ROWS).map_err(failed)?;
            for (key, value) in writes {
                match value {
                    Some(value) => drop(rows.insert(key.as_ref(), value.as_ref()).map_err(failed)?),
                    None => drop(rows.remove(key.as_ref()).map_err(failed)?),
                }
            }
        }
        write.commit().map_err(failed)
    }

    fn sync(&mut self) -> Result<(), Error> {
        self.apply(Vec::new(), true)
    }
}

struct RedbView {
    rows: ReadOnlyTable<&'static [u8], &'static [u8]>,
}

impl View for RedbView {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, Error> {
        let value = self.rows.get(key).map_err(failed)?;
        Ok(value.map(|value| Bytes::copy_from_slice(value.value())))
    }

    fn range(&self, range: &KeyRange, limit: usize, reverse: bool) -> Result<Vec<Pair>, Error> {
        if range.is_empty() {
            return Ok(Vec::new());
        }
        let rows = match &range.end {
            Some(end) => self.rows.range(range.start.as_ref()..end.as_ref()),
            None => self.rows.range(range.start.as_ref()..),
        };
        let rows = rows.map_err(failed)?;
        let pair = |row: Result<
            (redb::AccessGuard<'_, &[u8]>, redb::AccessGuard<'_, &[u8]>),
            redb::StorageError,
        >| {
            let (key, value) = row.map_err(failed)?;
            Ok((Bytes::copy_from_slice(key.value()), Bytes::copy_from_slice(value.value())))
        };
        match reverse {
            false => rows.take(limit).map(pair).collect(),
            true => rows.rev().take(limit).map(pair).collect(),
        }
    }
}
