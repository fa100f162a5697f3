//! One try of one transaction on the database.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures::future::BoxFuture;
use tokio::sync::{mpsc, oneshot};
use tokio_postgres::Row;

use super::pool::Pooled;
use super::writer::Pending;
use super::{Core, failed};
use crate::backend::{Attempt, Before, Changes};
use crate::engine::Pair;
use crate::error::{Error, lock};
use crate::key::KeyRange;

/// The version of a row that is not there.
pub(super) const ABSENT: i64 = 0;

pub(super) struct PgAttempt {
    core: Arc<Core>,
    queue: mpsc::UnboundedSender<Pending>,
    reader: tokio::sync::Mutex<Option<Pooled>>,
    claimer: tokio::sync::Mutex<Option<Pooled>>,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    /// What version of a key was read.
    versions: BTreeMap<Bytes, i64>,
    claims: Vec<Bytes>,
    is_committed: bool,
}

fn key_of(row: &Row) -> Result<Bytes, Error> {
    bytes_of(row, 0)
}

fn bytes_of(row: &Row, column: usize) -> Result<Bytes, Error> {
    let bytes: &[u8] = row.try_get(column).map_err(failed)?;
    Ok(Bytes::copy_from_slice(bytes))
}

impl PgAttempt {
    pub(super) fn new(core: Arc<Core>, queue: mpsc::UnboundedSender<Pending>) -> PgAttempt {
        PgAttempt {
            core,
            queue,
            reader: Default::default(),
            claimer: Default::default(),
            seen: Mutex::default(),
        }
    }

    async fn read_row(&self, key: &Bytes) -> Result<Option<Bytes>, Error> {
        let mut reader = self.reader.lock().await;
        let row = match &*reader {
            Some(pooled) => {
                let (client, statements) = pooled.session()?;
                client.query_opt(&statements.get, &[&key.as_ref()]).await.map_err(failed)?
            }
            None => {
                let pooled = self.core.readers.get().await?;
                let (client, statements) = pooled.session()?;
                let begin = client.batch_execute(BEGIN_READ);
                let key = key.as_ref();
                let parameters: [&(dyn tokio_postgres::types::ToSql + Sync); 1] = [&key];
                let read = client.query_opt(&statements.get, &parameters);
                // Polled in this order, so they travel together.
                let ((), row) = futures::try_join!(begin, read).map_err(failed)?;
                *reader = Some(pooled);
                row
            }
        };
        drop(reader);
        let (value, version) = match &row {
            Some(row) => (Some(bytes_of(row, 0)?), row.try_get(1).map_err(failed)?),
            None => (None, ABSENT),
        };
        lock(&self.seen).versions.entry(key.clone()).or_insert(version);
        Ok(value)
    }

    async fn read_range(
        &self,
        range: KeyRange,
        limit: usize,
        reverse: bool,
    ) -> Result<Vec<Pair>, Error> {
        if range.is_empty() {
            return Ok(Vec::new());
        }
        let mut reader = self.reader.lock().await;
        let pooled = started(&mut reader, &self.core.readers, BEGIN_READ).await?;
        let (client, statements) = pooled.session()?;
        let statement = if reverse { &statements.range_reverse } else { &statements.range };
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = client
            .query(statement, &[&range.start.as_ref(), &range.end.as_deref(), &limit])
            .await
            .map_err(failed)?;
        rows.iter().map(|row| Ok((key_of(row)?, bytes_of(row, 1)?))).collect()
    }

    async fn read_sum(&self, key: &Bytes) -> Result<i64, Error> {
        let mut reader = self.reader.lock().await;
        let pooled = started(&mut reader, &self.core.readers, BEGIN_READ).await?;
        let (client, statements) = pooled.session()?;
        let row = client.query_one(&statements.sum, &[&key.as_ref()]).await.map_err(failed)?;
        row.try_get(0).map_err(failed)
    }

    async fn read_counters(&self, start: Bytes, limit: usize) -> Result<Vec<(Bytes, i64)>, Error> {
        let mut reader = self.reader.lock().await;
        let pooled = started(&mut reader, &self.core.readers, BEGIN_READ).await?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let (client, _) = pooled.session()?;
        let rows = client.query(COUNTERS, &[&start.as_ref(), &limit]).await.map_err(failed)?;
        rows.iter().map(|row| Ok((key_of(row)?, row.try_get(1).map_err(failed)?))).collect()
    }

    async fn take(
        &self,
        mut range: KeyRange,
        n: usize,
        except: Vec<Bytes>,
    ) -> Result<Vec<Pair>, Error> {
        let mut out = Vec::new();
        if range.is_empty() {
            return Ok(out);
        }
        let mut claimer = self.claimer.lock().await;
        let pooled = started(&mut claimer, &self.core.claimers, BEGIN_CLAIM).await?;
        let (client, statements) = pooled.session()?;
        while out.len() < n {
            // Every candidate is locked, so no more of them than are wanted.
            let asked = n - out.len();
            let limit = i64::try_from(asked).unwrap_or(i64::MAX);
            let end = range.end.as_deref();
            let rows = client
                .query(&statements.claim, &[&range.start.as_ref(), &end, &limit])
                .await
                .map_err(failed)?;
            let Some(last) = rows.last() else { break };
            range = range.after_key(&key_of(last)?);
            let mut seen = lock(&self.seen);
            for row in &rows {
                let key = key_of(row)?;
                let is_ours: bool = row.try_get(3).map_err(failed)?;
                if !is_ours || except.contains(&key) || seen.claims.contains(&key) {
                    continue;
                }
                let version: i64 = row.try_get(2).map_err(failed)?;
                seen.versions.insert(key.clone(), version);
                seen.claims.push(key.clone());
                out.push((key, bytes_of(row, 1)?));
            }
            if rows.len() < asked {
                break;
            }
        }
        Ok(out)
    }

    async fn send(&self, changes: Changes) -> Result<Before, Error> {
        // The snapshot has served; the connection is better used by others while the commit waits.
        drop(self.reader.lock().await.take());
        let (reply, answer) = oneshot::channel();
        let expected = {
            let seen = lock(&self.seen);
            let version =
                |key: &Bytes| seen.versions.get(key).map(|version| (key.clone(), *version));
            changes.reads.iter().filter_map(version).collect()
        };
        let closed = || Error::Closed { what: "store" };
        self.queue.send(Pending { changes, expected, reply }).map_err(|_| closed())?;
        let answer = answer.await.unwrap_or_else(|_| Err(closed()));
        lock(&self.seen).is_committed = answer.is_ok();
        answer
    }
}

const COUNTERS: &str = "select key, sum(value)::bigint from undercast.counters
    where key >= $1 group by key having sum(value) <> 0 order by key limit $2";
const BEGIN_READ: &str = "begin isolation level repeatable read read only";
/// Each claim looks at what is committed at that moment, so it does not stumble over rows that are gone.
const BEGIN_CLAIM: &str = "begin isolation level read committed";

async fn started<'a>(
    slot: &'a mut Option<Pooled>,
    pool: &Arc<super::Pool>,
    begin: &str,
) -> Result<&'a Pooled, Error> {
    let pooled = match slot.take() {
        Some(pooled) => pooled,
        None => {
            let pooled = pool.get().await?;
            pooled.session()?.0.batch_execute(begin).await.map_err(failed)?;
            pooled
        }
    };
    Ok(slot.insert(pooled))
}

impl Attempt for PgAttempt {
    fn get<'a>(&'a self, key: &'a Bytes) -> BoxFuture<'a, Result<Option<Bytes>, Error>> {
        Box::pin(self.read_row(key))
    }

    fn range<'a>(
        &'a self,
        range: KeyRange,
        limit: usize,
        reverse: bool,
    ) -> BoxFuture<'a, Result<Vec<Pair>, Error>> {
        Box::pin(self.read_range(range, limit, reverse))
    }

    fn sum<'a>(&'a self, key: &'a Bytes) -> BoxFuture<'a, Result<i64, Error>> {
        Box::pin(self.read_sum(key))
    }

    fn counters<'a>(
        &'a self,
        start: Bytes,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<(Bytes, i64)>, Error>> {
        Box::pin(self.read_counters(start, limit))
    }

    fn claim<'a>(
        &'a self,
        range: KeyRange,
        n: usize,
        except: Vec<Bytes>,
    ) -> BoxFuture<'a, Result<Vec<Pair>, Error>> {
        Box::pin(self.take(range, n, except))
    }

    fn commit<'a>(&'a self, changes: Changes) -> BoxFuture<'a, Result<Before, Error>> {
        Box::pin(self.send(changes))
    }
}

impl Drop for PgAttempt {
    fn drop(&mut self) {
        let (claims, is_committed) = {
            let mut seen = lock(&self.seen);
            (std::mem::take(&mut seen.claims), seen.is_committed)
        };
        let claimer = self.claimer.get_mut().take();
        if is_committed || claims.is_empty() {
            return;
        }
        // Who skipped these rows may have them, once the rollback let go of them.
        let core = self.core.clone();
        let env = core.env.clone();
        env.spawn("claims given up", async move {
            if let Some(claimer) = &claimer
                && let Ok((client, _)) = claimer.session()
            {
                let _ = client.batch_execute("rollback").await;
            }
            core.watches.mark(claims.iter().map(|key| (key, true)));
            core.notifier.tell(claims.iter());
        });
    }
}
