//! fjall: a log-structured merge tree. It syncs only when told to, so every sync is named here.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode, Readable, Snapshot};

use super::thread::Product;
use super::{Pair, View, Write};
use crate::error::Error;
use crate::key::KeyRange;

/// Written data waits in memory up to this size before it becomes a table.
const MEMTABLE_BYTES: u64 = 8 << 20;
const JOURNAL_BYTES_MAX: u64 = 64 << 20;

pub(crate) struct Fjall {
    db: Database,
    rows: Keyspace,
}

fn failed(error: fjall::Error) -> Error {
    match error {
        fjall::Error::Locked => Error::Locked { path: "of the engine".to_owned() },
        error => Error::unavailable(error),
    }
}

impl Fjall {
    pub(crate) fn open(path: &Path, cache_bytes: u64) -> Result<Fjall, Error> {
        let builder = Database::builder(path);
        // The journal is persisted by us, with the batch that asks for it.
        let builder = builder.cache_size(cache_bytes).worker_threads(2).max_cached_files(Some(128));
        let builder = builder.max_journaling_size(JOURNAL_BYTES_MAX);
        let db = builder.open().map_err(failed)?;
        let options = || KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE_BYTES);
        let rows = db.keyspace("rows", options).map_err(failed)?;
        Ok(Fjall { db, rows })
    }
}

impl Product for Fjall {
    fn view(&self) -> Result<Arc<dyn View>, Error> {
        Ok(Arc::new(FjallView { snapshot: self.db.snapshot(), rows: self.rows.clone() }))
    }

    fn apply(&mut self, writes: Vec<Write>, sync: bool) -> Result<(), Error> {
        let mut batch = self.db.batch().durability(sync.then_some(PersistMode::SyncData));
        for (key, value) in writes {
            match value {
                Some(value) => batch.insert(&self.rows, key, value),
                None => batch.remove(&self.rows, key),
            }
        }
        batch.commit().map_err(failed)
    }

    fn sync(&mut self) -> Result<(), Error> {
        self.db.persist(PersistMode::SyncData).map_err(failed)
    }
}

struct FjallView {
    snapshot: Snapshot,
    rows: Keyspace,
}

impl View for FjallView {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, Error> {
        Ok(self.snapshot.get(&self.rows, key).map_err(failed)?.map(Bytes::from))
    }

    fn range(&self, range: &KeyRange, limit: usize, reverse: bool) -> Result<Vec<Pair>, Error> {
        if range.is_empty() {
            return Ok(Vec::new());
        }
        let rows = match &range.end {
            Some(end) => self.snapshot.range(&self.rows, range.start.as_ref()..end.as_ref()),
            None => self.snapshot.range(&self.rows, range.start.as_ref()..),
        };
        let pair = |guard: fjall::Guard| {
            let (key, value) = guard.into_inner().map_err(failed)?;
            Ok((Bytes::from(key), Bytes::from(value)))
        };
        match reverse {
            false => rows.take(limit).map(pair).collect(),
            true => rows.rev().take(limit).map(pair).collect(),
        }
    }
}
