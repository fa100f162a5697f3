//! fjall: a log-structured merge tree. It syncs only when told to, so every sync is named here.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use fjall::compaction::Leveled;
use fjall::config::PartitioningPolicy;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode, Readable, Snapshot};

use super::thread::Product;
use super::{Pair, View, Write};
use crate::error::Error;
use crate::key::KeyRange;

/// Written data waits in memory up to this size before it becomes a table.
const MEMTABLE_BYTES: u64 = 8 << 20;
const JOURNAL_BYTES_MAX: u64 = 64 << 20;
/// Who writes tables and merges them. Of several, fjall 3.1 keeps the first for writing tables and lets it spin, a whole
/// core, for as long as the others merge and more merges wait.
const WORKERS: usize = 1;
/// A table of a queue's first rows is written anew with each merge, and with it all that overlap: small tables keep that
/// short. At fjall's 64 MiB a queue of millions took half again as much of the processor as a short one.
const TABLE_BYTES: u64 = 16 << 20;

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
        let builder =
            builder.cache_size(cache_bytes).worker_threads(WORKERS).max_cached_files(Some(128));
        let builder = builder.max_journaling_size(JOURNAL_BYTES_MAX);
        let db = builder.open().map_err(failed)?;
        // Indexes and filters in parts, each small enough for the cache, at every level but the first. In one piece,
        // that of a full-grown table does not fit and was read from disk for each look at a row in it.
        let in_parts = PartitioningPolicy::new([false, true]);
        let merges = Arc::new(Leveled::default().with_table_target_size(TABLE_BYTES));
        let options = || {
            KeyspaceCreateOptions::default()
                .compaction_strategy(merges.clone())
                .max_memtable_size(MEMTABLE_BYTES)
                .index_block_partitioning_policy(in_parts.clone())
                .filter_block_partitioning_policy(in_parts.clone())
        };
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
