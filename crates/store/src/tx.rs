//! `Tx`: one try of one transaction.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex};

use bytes::Bytes;

use crate::backend::{Add, Attempt, Changes, merged};
use crate::db::{TRANSACTION_BYTES_MAX, TRANSACTION_LIMIT, VALUE_BYTES_MAX, too_slow};
use crate::engine::Pair;
use crate::env::{Env, Ids};
use crate::error::{Error, lock};
use crate::gate::Pass;
use crate::key::{KEY_BYTES_MAX, KeyRange};
use crate::recorder::Recorder;
use crate::tasks::TaskChange;

/// A handle on a running transaction; clones are the same transaction. What it reads is one moment of the
/// store, plus its own writes.
#[derive(Clone)]
pub struct Tx {
    inner: Arc<Inner>,
}

struct Inner {
    /// None once the transaction ended.
    attempt: Mutex<Option<Arc<dyn Attempt>>>,
    env: Env,
    recorder: Option<Recorder>,
    pass: Pass,
    now_ms: i64,
    began: std::time::Duration,
    buffer: Mutex<Buffer>,
}

#[derive(Default)]
struct Buffer {
    reads: Vec<Bytes>,
    writes: BTreeMap<Bytes, Option<Bytes>>,
    adds: BTreeMap<Bytes, Add>,
    tasks: Vec<TaskChange>,
    claimed: BTreeMap<Bytes, Bytes>,
    bytes: usize,
    /// A read met a conflict: whatever the closure made of that, the transaction runs again.
    conflict: Option<Bytes>,
}

impl std::fmt::Debug for Tx {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tx")
    }
}

impl Buffer {
    /// The writes in a range, which must not be empty.
    fn written(&self, range: &KeyRange) -> BTreeMap<Bytes, Option<Bytes>> {
        let end = range.end.clone().map_or(Bound::Unbounded, Bound::Excluded);
        let writes = self.writes.range((Bound::Included(range.start.clone()), end));
        writes.map(|(key, value)| (key.clone(), value.clone())).collect()
    }
}

fn check_key(key: &[u8]) -> Result<(), Error> {
    check("a key", key.len(), KEY_BYTES_MAX)
}

fn check(what: &'static str, bytes: usize, bytes_max: usize) -> Result<(), Error> {
    if bytes > bytes_max {
        return Err(Error::TooLarge { what, bytes, bytes_max });
    }
    Ok(())
}

impl Tx {
    pub(crate) fn new(
        attempt: Arc<dyn Attempt>,
        env: Env,
        recorder: Option<Recorder>,
        pass: Pass,
    ) -> Tx {
        let inner = Inner {
            attempt: Mutex::new(Some(attempt)),
            now_ms: env.clock.now_ms(),
            began: env.clock.monotonic(),
            env,
            recorder,
            pass,
            buffer: Mutex::default(),
        };
        Tx { inner: Arc::new(inner) }
    }

    /// The wall clock when this try began; the same throughout.
    pub fn now_ms(&self) -> i64 {
        self.inner.now_ms
    }

    pub fn ids(&self) -> &dyn Ids {
        &*self.inner.env.ids
    }

    fn attempt(&self) -> Result<Arc<dyn Attempt>, Error> {
        lock(&self.inner.attempt).clone().ok_or(Error::Closed { what: "transaction" })
    }

    fn buffer(&self) -> std::sync::MutexGuard<'_, Buffer> {
        lock(&self.inner.buffer)
    }

    fn note<T>(&self, result: Result<T, Error>) -> Result<T, Error> {
        if let Err(Error::Conflict { key, .. }) = &result {
            self.buffer().conflict = Some(key.clone());
        }
        result
    }

    /// The value of a key. If it changes before this transaction commits, the transaction runs again.
    pub async fn get(&self, key: &[u8]) -> Result<Option<Bytes>, Error> {
        self.get_key(Bytes::copy_from_slice(key)).await
    }

    /// The same for a key that the caller can give away.
    pub(crate) async fn get_key(&self, key: Bytes) -> Result<Option<Bytes>, Error> {
        check_key(&key)?;
        let attempt = self.attempt()?;
        {
            let buffer = self.buffer();
            if let Some(value) = buffer.writes.get(&key) {
                return Ok(value.clone());
            }
            if let Some(value) = buffer.claimed.get(&key) {
                return Ok(Some(value.clone()));
            }
        }
        let value = self.note(attempt.get(&key).await)?;
        self.buffer().reads.push(key);
        Ok(value)
    }

    /// The first `limit` pairs of a range in order, or its last ones in falling order. A snapshot: rows
    /// that others add meanwhile are no conflict. An invariant over a range needs a guard row.
    pub async fn range(
        &self,
        range: KeyRange,
        limit: usize,
        reverse: bool,
    ) -> Result<Vec<Pair>, Error> {
        let attempt = self.attempt()?;
        if range.is_empty() {
            return Ok(Vec::new());
        }
        let writes = self.buffer().written(&range);
        let fetch = |range, limit| {
            let attempt = attempt.clone();
            async move { attempt.range(range, limit, reverse).await }
        };
        self.note(merged(&writes, &range, limit, reverse, fetch).await)
    }

    pub fn put(&self, key: impl Into<Bytes>, value: impl Into<Bytes>) -> Result<(), Error> {
        let value = value.into();
        check("a value", value.len(), VALUE_BYTES_MAX)?;
        self.write(key.into(), Some(value))
    }

    pub fn delete(&self, key: impl Into<Bytes>) -> Result<(), Error> {
        self.write(key.into(), None)
    }

    fn write(&self, key: Bytes, value: Option<Bytes>) -> Result<(), Error> {
        check_key(&key)?;
        self.attempt()?;
        let mut buffer = self.buffer();
        let bytes = key.len() + value.as_ref().map_or(0, Bytes::len);
        check("a transaction", buffer.bytes + bytes, TRANSACTION_BYTES_MAX)?;
        buffer.bytes += bytes;
        if let Some(Some(old)) = buffer.writes.get(&key) {
            buffer.bytes = buffer.bytes.saturating_sub(old.len() + key.len());
        }
        buffer.writes.insert(key, value);
        Ok(())
    }

    /// Adds to a counter. Never conflicts. Counters have names of their own: a row and a counter of the same key
    /// do not know each other.
    pub fn add(&self, key: impl Into<Bytes>, delta: i64) -> Result<(), Error> {
        self.change_counter(key.into(), |add| add.delta = add.delta.wrapping_add(delta))
    }

    /// Sets a counter back to nothing.
    pub fn reset(&self, key: impl Into<Bytes>) -> Result<(), Error> {
        self.change_counter(key.into(), |add| *add = Add { reset: true, delta: 0 })
    }

    fn change_counter(&self, key: Bytes, change: impl FnOnce(&mut Add)) -> Result<(), Error> {
        check_key(&key)?;
        self.attempt()?;
        let mut buffer = self.buffer();
        check("a transaction", buffer.bytes + key.len(), TRANSACTION_BYTES_MAX)?;
        buffer.bytes += key.len();
        change(buffer.adds.entry(key).or_default());
        Ok(())
    }

    /// What a counter has come to, with this transaction's own additions. A snapshot, never a conflict.
    pub async fn sum(&self, key: &[u8]) -> Result<i64, Error> {
        check_key(key)?;
        let attempt = self.attempt()?;
        let own = self.buffer().adds.get(key).copied().unwrap_or_default();
        let stored = match own.reset {
            true => 0,
            false => self.note(attempt.sum(&Bytes::copy_from_slice(key)).await)?,
        };
        Ok(stored.wrapping_add(own.delta))
    }

    /// Takes up to `n` rows from the start of the range that no other open transaction took. They are ours until
    /// this transaction ends: what others write to them conflicts.
    ///
    /// Rows that this transaction wrote or claimed before are not offered again.
    pub async fn claim(&self, range: KeyRange, n: usize) -> Result<Vec<Pair>, Error> {
        let attempt = self.attempt()?;
        let written = {
            let buffer = self.buffer();
            buffer.writes.keys().filter(|key| range.contains(key)).cloned().collect()
        };
        let rows = self.note(attempt.claim(range, n, written).await)?;
        let mut buffer = self.buffer();
        for (key, value) in &rows {
            buffer.reads.push(key.clone());
            buffer.claimed.insert(key.clone(), value.clone());
        }
        Ok(rows)
    }

    pub(crate) fn change_task(&self, change: TaskChange) -> Result<(), Error> {
        self.attempt()?;
        self.buffer().tasks.push(change);
        Ok(())
    }

    /// Commits. `Conflict` means that nothing was written and the work should be done again.
    pub async fn commit(&self) -> Result<(), Error> {
        let tasks = std::mem::take(&mut self.buffer().tasks);
        crate::tasks::apply_changes(self, tasks).await?;
        let attempt = self.attempt()?;
        let changes = {
            let mut buffer = self.buffer();
            if let Some(key) = buffer.conflict.take() {
                drop(buffer);
                self.end();
                return Err(Error::conflict(key));
            }
            let mut reads = std::mem::take(&mut buffer.reads);
            reads.sort_unstable();
            reads.dedup();
            Changes {
                reads,
                writes: std::mem::take(&mut buffer.writes),
                adds: std::mem::take(&mut buffer.adds),
                want_before: self.inner.recorder.is_some(),
            }
        };
        self.end();
        if changes.is_empty() {
            return Ok(());
        }
        if self.inner.env.clock.monotonic().saturating_sub(self.inner.began) > TRANSACTION_LIMIT {
            return Err(too_slow());
        }
        let _committing = self.inner.pass.commit()?;
        let Some(recorder) = &self.inner.recorder else {
            return attempt.commit(changes).await.map(drop);
        };
        let (writes, adds) = (changes.writes.clone(), changes.adds.clone());
        recorder.note(attempt.commit(changes).await?, writes, adds);
        Ok(())
    }

    /// Ends the transaction without a commit; returns the key of a conflict that a read met.
    pub(crate) fn end(&self) -> Option<Bytes> {
        let attempt = lock(&self.inner.attempt).take();
        drop(attempt);
        self.buffer().conflict.take()
    }
}
