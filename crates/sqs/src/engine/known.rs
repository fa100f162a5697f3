//! What a FIFO queue remembers for five minutes: the messages that were sent, by their deduplication ids,
//! and what was received, by the ids of the attempts.
//!
//! What is to be forgotten within the same minute shares one task, spawned by the first of it: a queue
//! that nobody uses has none, and no sweep ever meets what is gone already.

use undercast_kernel::ServiceError;
use undercast_store::Tx;

use super::fifo;
use super::receive::{Received, Want};
use crate::limits::REMEMBERED_MS;
use crate::store::{EXPIRING, KNOWN, Known, KnownRow, MINUTES, QueueRow};
use crate::tasks::spawn_forget;

const MINUTE_MS: i64 = 60_000;

/// The message that was sent with a deduplication id within the last five minutes.
pub(crate) async fn sent(
    tx: &Tx,
    queue: &QueueRow,
    group: &str,
    id: &str,
) -> Result<Option<(String, u64)>, ServiceError> {
    let row = KNOWN.get(tx, &(queue.number, scope(queue, group), id.to_owned())).await?;
    Ok(match row {
        Some(KnownRow { until_ms, what: Known::Sent { id, sequence } })
            if until_ms > tx.now_ms() =>
        {
            Some((id, sequence))
        }
        _ => None,
    })
}

pub(crate) async fn keep_sent(
    tx: &Tx,
    queue: &QueueRow,
    group: &str,
    deduplication: &str,
    id: &str,
    sequence: u64,
) -> Result<(), ServiceError> {
    let what = Known::Sent { id: id.to_owned(), sequence };
    keep(tx, (queue.number, scope(queue, group), deduplication.to_owned()), what).await
}

/// Within one queue or one group, as its `DeduplicationScope` says.
fn scope(queue: &QueueRow, group: &str) -> String {
    match queue.attributes.get("DeduplicationScope").map(String::as_str) {
        Some("messageGroup") => format!("g{group}"),
        _ => "q".to_owned(),
    }
}

fn attempt_key(queue: u64, attempt: &str) -> (u64, String, String) {
    (queue, "r".to_owned(), attempt.to_owned())
}

/// What an attempt to receive got before, if all of it is still as it was.
pub(crate) async fn attempt(
    tx: &Tx,
    queue: &QueueRow,
    want: &Want,
) -> Result<Vec<Received>, ServiceError> {
    let Some(attempt) = &want.attempt else {
        return Ok(Vec::new());
    };
    let row = KNOWN.get(tx, &attempt_key(queue.number, attempt)).await?;
    match row.filter(|row| row.until_ms > tx.now_ms()).map(|row| row.what) {
        Some(Known::Received(messages)) => {
            fifo::again(tx, queue, &messages, want.visibility_s).await
        }
        _ => Ok(Vec::new()),
    }
}

pub(crate) async fn keep_attempt(
    tx: &Tx,
    queue: u64,
    attempt: &str,
    given: &[Received],
) -> Result<(), ServiceError> {
    let one = |r: &Received| {
        (r.handle.group.clone().unwrap_or_default(), r.handle.number, r.handle.receives)
    };
    let what = Known::Received(given.iter().map(one).collect());
    keep(tx, attempt_key(queue, attempt), what).await
}

async fn keep(tx: &Tx, key: (u64, String, String), what: Known) -> Result<(), ServiceError> {
    let until_ms = tx.now_ms() + REMEMBERED_MS;
    let minute = until_ms / MINUTE_MS + 1;
    KNOWN.put(tx, &key, &KnownRow { until_ms, what })?;
    let (queue, scope, id) = key;
    EXPIRING.put(tx, &(queue, minute, scope, id), &())?;
    if MINUTES.get(tx, &(queue, minute)).await?.is_none() {
        MINUTES.put(tx, &(queue, minute), &())?;
        spawn_forget(tx, queue, minute, minute * MINUTE_MS)?;
    }
    Ok(())
}

/// Forgets up to `n` of what a minute has, from a place on. Answers where to go on.
pub(crate) async fn forget(
    tx: &Tx,
    queue: u64,
    minute: i64,
    after: Option<&(u64, i64, String, String)>,
    n: usize,
) -> Result<Option<(u64, i64, String, String)>, ServiceError> {
    let range = match after {
        Some(key) => EXPIRING.after(&(queue, minute), key),
        None => EXPIRING.prefix(&(queue, minute)),
    };
    let rows = EXPIRING.scan(tx, range, n, false).await?;
    let last = rows.last().map(|(key, ())| key.clone());
    for (key, ()) in rows {
        let known = (queue, key.2.clone(), key.3.clone());
        // The same id may have been used again since.
        if KNOWN.get(tx, &known).await?.is_some_and(|row| row.until_ms <= tx.now_ms()) {
            KNOWN.delete(tx, &known)?;
        }
        EXPIRING.delete(tx, &key)?;
    }
    if last.is_none() {
        MINUTES.delete(tx, &(queue, minute))?;
    }
    Ok(last)
}
