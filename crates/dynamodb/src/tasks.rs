//! Background work: emptying the tables and indexes that are gone, filling new indexes, letting items
//! expire, forgetting request tokens.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use undercast_kernel::service::TaskSpec;
use undercast_kernel::{Kernel, Lane, ServiceError};
use undercast_store::{Backoff, KeyRange, NewTask, Outcome, Task, TaskError, Tx};

use crate::Dynamo;
use crate::engine::key::whole;
use crate::engine::stream;
use crate::engine::table::Table;
use crate::engine::write::{By, Stored, enter, expiry, expiry_key, replace};
use crate::limits::STREAM_MS;
use crate::store::{
    CHANGES, COUNTS, EXPIRIES, IMAGES, MOMENTS, RECORDS, SEQUENCES, SIZES, STREAMS, StreamKey,
    TABLES, TOKEN_TIMES, TOKENS, TableKey,
};
use crate::value::codec;

const PURGE: &str = "dynamodb.purge";
const BACKFILL: &str = "dynamodb.backfill";
const EXPIRE: &str = "dynamodb.expire";
const TOKEN: &str = "dynamodb.token";
const TRIM: &str = "dynamodb.trim";
/// How many rows one transaction handles, and how many bytes.
const CHUNK: usize = 200;
const CHUNK_BYTES: usize = 1 << 20;
/// Items that expired before that stay, as on AWS: the attribute is taken for something else.
const EXPIRED_S_MAX: i64 = 5 * 366 * 86_400;

type Run = fn(Kernel, Arc<Dynamo>, Task) -> BoxFuture<'static, Result<Outcome, TaskError>>;

pub(crate) fn all(dynamo: &Arc<Dynamo>) -> Vec<TaskSpec> {
    let spec = |name, run: Run| {
        let dynamo = Arc::clone(dynamo);
        TaskSpec {
            name,
            concurrency: 2,
            attempts_max: 0,
            backoff: Backoff { first: Duration::from_millis(200), max: Duration::from_secs(60) },
            run: Arc::new(move |kernel, task| run(kernel, Arc::clone(&dynamo), task)),
        }
    };
    vec![
        spec(PURGE, |kernel, _, task| purge(kernel, task).boxed()),
        spec(BACKFILL, |kernel, dynamo, task| backfill(kernel, dynamo, task).boxed()),
        spec(EXPIRE, |kernel, dynamo, task| expire(kernel, dynamo, task).boxed()),
        spec(TOKEN, |kernel, _, task| forget_tokens(kernel, task).boxed()),
        spec(TRIM, |kernel, dynamo, task| trim(kernel, dynamo, task).boxed()),
    ]
}

fn broken(error: &impl std::fmt::Display) -> TaskError {
    TaskError::new(error.to_string())
}

fn spawn(
    tx: &Tx,
    kind: &'static str,
    key: Vec<u8>,
    due_ms: i64,
    payload: &serde_json::Value,
) -> Result<(), ServiceError> {
    tx.spawn(NewTask { kind, key, due_ms, payload: payload.to_string().into() })?;
    Ok(())
}

fn payload<T: serde::de::DeserializeOwned>(task: &Task) -> Result<T, TaskError> {
    serde_json::from_slice(&task.payload).map_err(TaskError::fatal)
}

/// In the transaction that deletes a table or an index: its items, and its expiries.
pub(crate) fn spawn_purge(tx: &Tx, numbers: &[u64]) -> Result<(), ServiceError> {
    spawn(tx, PURGE, Vec::new(), tx.now_ms(), &serde_json::json!(numbers))
}

async fn purge(kernel: Kernel, task: Task) -> Result<Outcome, TaskError> {
    let numbers: Vec<u64> = payload(&task)?;
    for number in numbers {
        for range in [whole(number), EXPIRIES.prefix(&(number,))] {
            empty(&kernel, range).await.map_err(|e| broken(&e))?;
        }
        let reset = kernel.db().transact(move |tx| async move {
            tx.reset(COUNTS.key(&(number,)))?;
            tx.reset(SIZES.key(&(number,)))?;
            Ok::<_, ServiceError>(())
        });
        reset.await.map_err(|e| broken(&e))?;
    }
    Ok(Outcome::Done)
}

async fn empty(kernel: &Kernel, range: KeyRange) -> Result<(), ServiceError> {
    let mut range = range;
    loop {
        let this = &range;
        let step = kernel.db().transact(move |tx| async move {
            let rows = tx.range(this.clone(), CHUNK, false).await?;
            for (key, _) in &rows {
                tx.delete(key.clone())?;
            }
            Ok::<_, ServiceError>(rows.last().map(|(key, _)| key.clone()))
        });
        match step.await? {
            Some(last) => range = range.after_key(&last),
            None => return Ok(()),
        }
    }
}

/// In the transaction that makes an index, or turns expiry on, on a table that may have items.
pub(crate) fn spawn_backfill(tx: &Tx, key: &TableKey, number: u64) -> Result<(), ServiceError> {
    let payload = serde_json::json!([key, number]);
    spawn(tx, BACKFILL, number.to_be_bytes().to_vec(), tx.now_ms(), &payload)
}

async fn backfill(kernel: Kernel, dynamo: Arc<Dynamo>, task: Task) -> Result<Outcome, TaskError> {
    let (key, number): (TableKey, u64) = payload(&task)?;
    let filled = fill(&kernel, &dynamo, &key, number).await;
    filled.map_err(|e| broken(&e))?;
    Ok(Outcome::Done)
}

/// Enters all items into an index, and marks it as filled. Writers keep the index since it was made; doing
/// this twice does no harm, nor does doing it while the task is at it.
pub(crate) async fn fill(
    kernel: &Kernel,
    dynamo: &Dynamo,
    key: &TableKey,
    number: u64,
) -> Result<(), ServiceError> {
    let mut after: Option<Bytes> = None;
    loop {
        let from = &after;
        let step = kernel.db().transact(move |tx| async move {
            fill_step(&tx, dynamo, key, number, from.as_ref()).await
        });
        match step.await? {
            Some(last) => after = Some(last),
            None => return Ok(()),
        }
    }
}

/// Answers the last key of the chunk; `None` at the end.
async fn fill_step(
    tx: &Tx,
    dynamo: &Dynamo,
    key: &TableKey,
    number: u64,
    after: Option<&Bytes>,
) -> Result<Option<Bytes>, ServiceError> {
    let Some(table) = dynamo.tables.find(tx, key).await? else {
        return Ok(None);
    };
    let index = table.indexes.iter().find(|index| index.row.number == number);
    let ttl = table.row.ttl.as_ref().filter(|ttl| ttl.number == number);
    let pending = index.is_some_and(|i| i.row.backfilling) || ttl.is_some_and(|t| t.backfilling);
    if !pending {
        return Ok(None);
    }
    let range = whole(table.row.number);
    let range = match after {
        Some(key) => range.after_key(key),
        None => range,
    };
    let mut last = None;
    let mut bytes = 0;
    for (place, _) in tx.range(range, CHUNK, false).await? {
        // Read again under the transaction's protection: it may be changed meanwhile.
        if let Some(row) = tx.get(&place).await? {
            bytes += row.len();
            let item = codec::decode(&row)?;
            match (index, ttl, table.schema.get(&item)) {
                (Some(index), _, Some(key)) => {
                    let entry = crate::engine::write::entry(index, &key, &item);
                    // A writer that came later has entered it already.
                    if let Some((at, _)) = entry
                        && tx.get(&at).await?.is_none()
                    {
                        enter(tx, index, &key, &item)?;
                    }
                }
                (None, Some(ttl), _) => {
                    if let Some(seconds) = expiry(&ttl.attribute, &item) {
                        tx.put(expiry_key(number, seconds, &place), place.clone())?;
                    }
                }
                _ => {}
            }
        }
        last = Some(place);
        if bytes > CHUNK_BYTES {
            break;
        }
    }
    if last.is_none() {
        finish_fill(tx, &table, number)?;
    }
    Ok(last)
}

fn finish_fill(tx: &Tx, table: &Table, number: u64) -> Result<(), ServiceError> {
    let mut row = table.row.clone();
    for index in row.indexes.iter_mut().filter(|index| index.number == number) {
        index.backfilling = false;
    }
    if let Some(ttl) = row.ttl.as_mut().filter(|ttl| ttl.number == number) {
        ttl.backfilling = false;
        spawn_expire(tx, &table.key, number, tx.now_ms())?;
    }
    TABLES.put(tx, &table.key, &row)?;
    Ok(())
}

/// A sweep that was spawned in a transaction: number of the expiry index, time.
pub(crate) type Due = (u64, i64);

/// When the next sweep of each table is due, as far as this process knows: so that not every write of an item
/// that expires has to spawn one. Unknown or in the past means that a sweep is spawned, which then finds out.
#[derive(Default)]
pub(crate) struct Expiries {
    due: Mutex<HashMap<u64, i64>>,
}

impl Expiries {
    /// In the transaction that writes an item that expires: makes sure that there is a sweep in time.
    pub(crate) fn spawn(
        &self,
        tx: &Tx,
        table: &Table,
        seconds: i64,
    ) -> Result<Option<Due>, ServiceError> {
        let Some(ttl) = &table.row.ttl else {
            return Ok(None);
        };
        let now = tx.now_ms();
        let wanted = seconds.saturating_mul(1000).max(now);
        let due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        let known = due.get(&ttl.number).copied().filter(|due| *due >= now);
        drop(due);
        let at = match known {
            Some(known) if known <= wanted => return Ok(None),
            Some(_) => wanted,
            // There may be one that is due before this item: it must not be put off.
            None => now + 1000,
        };
        spawn_expire(tx, &table.key, ttl.number, at)?;
        Ok(Some((ttl.number, at)))
    }

    /// After that transaction.
    pub(crate) fn note(&self, lane: &Lane, spawned: impl IntoIterator<Item = Due>) {
        if *lane != Lane::Live {
            return;
        }
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        due.extend(spawned);
    }

    pub(crate) fn forget(&self) {
        self.due.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

fn spawn_expire(tx: &Tx, key: &TableKey, number: u64, due_ms: i64) -> Result<(), ServiceError> {
    let payload = serde_json::json!([key, number]);
    spawn(tx, EXPIRE, number.to_be_bytes().to_vec(), due_ms, &payload)
}

async fn expire(kernel: Kernel, dynamo: Arc<Dynamo>, task: Task) -> Result<Outcome, TaskError> {
    let (key, number): (TableKey, u64) = payload(&task)?;
    loop {
        let (dynamo, key) = (&dynamo, &key);
        let step = kernel
            .db()
            .transact(move |tx| async move { expire_step(&tx, dynamo, key, number).await });
        match step.await.map_err(|e| broken(&e))? {
            Swept::Some => {}
            Swept::Next(due_ms) => {
                dynamo.expiries.note(&Lane::Live, [(number, due_ms)]);
                return Ok(Outcome::Again { due_ms, payload: None });
            }
            Swept::Nothing => return Ok(Outcome::Done),
        }
    }
}

enum Swept {
    /// There may be more.
    Some,
    /// Nothing before that time.
    Next(i64),
    Nothing,
}

async fn expire_step(
    tx: &Tx,
    dynamo: &Dynamo,
    key: &TableKey,
    number: u64,
) -> Result<Swept, ServiceError> {
    let table = dynamo.tables.find(tx, key).await?;
    let Some(table) = table.filter(|t| t.row.ttl.as_ref().is_some_and(|ttl| ttl.number == number))
    else {
        return Ok(Swept::Nothing);
    };
    let now = tx.now_ms().div_euclid(1000);
    let range = EXPIRIES.from(&(number,), &(number, now - EXPIRED_S_MAX));
    let rows = tx.range(range, CHUNK, false).await?;
    let mut any = false;
    let mut bytes = 0;
    for (at, place) in rows {
        let head = at.get(..EXPIRIES.key(&(number, 0i64)).len()).unwrap_or_default();
        let Some(Ok((_, seconds))) = EXPIRIES.decode_key(head) else {
            continue;
        };
        if seconds > now {
            return Ok(if any { Swept::Some } else { Swept::Next(seconds.saturating_mul(1000)) });
        }
        any = true;
        bytes += remove_expired(tx, &table, &at, &place).await?;
        if bytes > CHUNK_BYTES {
            break;
        }
    }
    Ok(if any { Swept::Some } else { Swept::Nothing })
}

async fn remove_expired(
    tx: &Tx,
    table: &Table,
    at: &Bytes,
    place: &Bytes,
) -> Result<usize, ServiceError> {
    // The row tells whether the item still expires then; the item is read under protection.
    if tx.get(at).await?.is_none() {
        return Ok(0);
    }
    tx.delete(at.clone())?;
    let Some(bytes) = tx.get(place).await? else {
        return Ok(0);
    };
    let length = bytes.len();
    let stored = Stored { bytes };
    let item = stored.item()?;
    if let Some(key) = table.schema.get(&item) {
        replace(tx, table, &key, Some(&stored), Some(&item), None, By::Expiry).await?;
    }
    Ok(length)
}

/// In a transaction with a request token: one task for all tokens of a minute.
pub(crate) fn spawn_forget_tokens(tx: &Tx, minute: i64) -> Result<(), ServiceError> {
    let due_ms = (minute + 1) * 60_000 + 10_000;
    spawn(tx, TOKEN, minute.to_be_bytes().to_vec(), due_ms, &serde_json::json!(minute))
}

async fn forget_tokens(kernel: Kernel, task: Task) -> Result<Outcome, TaskError> {
    let minute: i64 = payload(&task)?;
    loop {
        let step = kernel.db().transact(move |tx| async move {
            let range = TOKEN_TIMES.prefix(&(minute,));
            let rows = TOKEN_TIMES.scan(&tx, range, CHUNK, false).await?;
            for (key, ()) in &rows {
                let (_, account, region, token) = key;
                let of = (account.clone(), region.clone(), token.clone());
                // It may have been used anew since.
                let row = TOKENS.get(&tx, &of).await?;
                if row.is_some_and(|row| row.until_ms.div_euclid(60_000) <= minute) {
                    TOKENS.delete(&tx, &of)?;
                }
                TOKEN_TIMES.delete(&tx, key)?;
            }
            Ok::<_, ServiceError>(rows.len() < CHUNK)
        });
        if step.await.map_err(|e| broken(&e))? {
            return Ok(Outcome::Done);
        }
    }
}

/// In the transaction that makes a stream.
pub(crate) fn spawn_trim(
    tx: &Tx,
    key: &StreamKey,
    number: u64,
    due_ms: i64,
) -> Result<(), ServiceError> {
    spawn(tx, TRIM, number.to_be_bytes().to_vec(), due_ms, &serde_json::json!([key, number]))
}

/// Deletes the records of a stream that are older than a day; a day after its end, all of it.
async fn trim(kernel: Kernel, dynamo: Arc<Dynamo>, task: Task) -> Result<Outcome, TaskError> {
    let (key, number): (StreamKey, u64) = payload(&task)?;
    match trim_stream(&kernel, &dynamo, &key, number).await.map_err(|e| broken(&e))? {
        Some(due_ms) => Ok(Outcome::Again { due_ms, payload: None }),
        None => Ok(Outcome::Done),
    }
}

/// Answers when there will be something to do again.
async fn trim_stream(
    kernel: &Kernel,
    dynamo: &Dynamo,
    key: &StreamKey,
    number: u64,
) -> Result<Option<i64>, ServiceError> {
    let now = kernel.env().clock.now_ms();
    let row = STREAMS.read(kernel.db(), key).await?.filter(|row| row.number == number);
    let Some(row) = row.filter(|row| row.ended_ms.is_none_or(|ended| ended + STREAM_MS > now))
    else {
        for range in [
            CHANGES.prefix(&(number,)),
            RECORDS.prefix(&(number,)),
            IMAGES.prefix(&(number,)),
            MOMENTS.prefix(&(number,)),
            SEQUENCES.prefix(&(number,)),
        ] {
            empty(kernel, range).await?;
        }
        let gone = kernel.db().transact(|tx| async move { STREAMS.delete(&tx, key) });
        gone.await?;
        dynamo.streams.remove(number);
        return Ok(None);
    };
    let ctx = kernel.service_context("dynamodb.amazonaws.com", &key.0, &key.1);
    let mut due_ms = row.ended_ms.unwrap_or(now) + STREAM_MS;
    for shard in 0..stream::SHARDS {
        dynamo.streams.number(&ctx, number, shard).await?;
        loop {
            let step = kernel.db().transact(|tx| trim_shard(tx, number, shard));
            match step.await? {
                Trimmed::Some => {}
                Trimmed::Oldest(at_ms) => {
                    due_ms = due_ms.min(at_ms + STREAM_MS);
                    break;
                }
                Trimmed::Nothing => break,
            }
        }
    }
    Ok(Some(due_ms.max(now + 1_000)))
}

enum Trimmed {
    /// There may be more.
    Some,
    /// Nothing any more; what is left begins at that time.
    Oldest(i64),
    Nothing,
}

async fn trim_shard(tx: Tx, number: u64, shard: u32) -> Result<Trimmed, ServiceError> {
    let rows = tx.range(RECORDS.prefix(&(number, shard)), CHUNK, false).await?;
    let mut any = false;
    for (key, value) in rows {
        let record = RECORDS.decode_row(&value)?;
        if record.at_ms + STREAM_MS > tx.now_ms() {
            return Ok(if any { Trimmed::Some } else { Trimmed::Oldest(record.at_ms) });
        }
        any = true;
        stream::remove(&tx, number, key, &record)?;
    }
    Ok(if any { Trimmed::Some } else { Trimmed::Nothing })
}
