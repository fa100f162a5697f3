//! Background work: emptying queues and dropping what has become too old.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use undercast_kernel::service::TaskSpec;
use undercast_kernel::{Kernel, ServiceError};
use undercast_store::{Backoff, NewTask, Outcome, Task, TaskError, Tx};

use crate::engine::{count, remove};
use crate::store::{MESSAGES, QUEUES, QueueKey, QueueRow};

const PURGE: &str = "sqs.purge";
const RETENTION: &str = "sqs.retention";
/// How many messages one transaction removes.
const CHUNK: usize = 500;

fn backoff() -> Backoff {
    Backoff { first: Duration::from_millis(200), max: Duration::from_secs(60) }
}

/// Removes all messages of a queue that were sent before a moment; all if the queue is gone.
pub(crate) fn purge() -> TaskSpec {
    TaskSpec {
        name: PURGE,
        concurrency: 2,
        attempts_max: 0,
        backoff: backoff(),
        run: Arc::new(|kernel, task| run_purge(kernel, task).boxed()),
    }
}

/// Removes the messages of a queue that are older than its retention period.
pub(crate) fn retention() -> TaskSpec {
    TaskSpec {
        name: RETENTION,
        concurrency: 1,
        attempts_max: 0,
        backoff: backoff(),
        run: Arc::new(|kernel, task| run_retention(kernel, task).boxed()),
    }
}

/// In the transaction that purges or deletes the queue.
pub(crate) fn spawn_purge(tx: &Tx, queue: u64, before_ms: i64) -> Result<(), ServiceError> {
    tx.spawn(NewTask {
        kind: PURGE,
        key: Vec::new(),
        due_ms: tx.now_ms(),
        payload: serde_json::json!([queue, before_ms]).to_string().into(),
    })?;
    Ok(())
}

/// In the transaction that makes the queue.
pub(crate) fn spawn_retention(tx: &Tx, key: &QueueKey, row: &QueueRow) -> Result<(), ServiceError> {
    tx.spawn(NewTask {
        kind: RETENTION,
        key: row.number.to_be_bytes().to_vec(),
        due_ms: tx.now_ms() + row.retention_s() * 1000,
        payload: serde_json::json!(key).to_string().into(),
    })?;
    Ok(())
}

fn broken(error: &impl std::fmt::Display) -> TaskError {
    TaskError::new(error.to_string())
}

async fn run_purge(kernel: Kernel, task: Task) -> Result<Outcome, TaskError> {
    let (queue, before_ms): (u64, i64) =
        serde_json::from_slice(&task.payload).map_err(|e| broken(&e))?;
    sweep(&kernel, queue, before_ms).await.map_err(|e| broken(&e))?;
    Ok(Outcome::Done)
}

async fn run_retention(kernel: Kernel, task: Task) -> Result<Outcome, TaskError> {
    let key: QueueKey = serde_json::from_slice(&task.payload).map_err(|e| broken(&e))?;
    let row = QUEUES.read(kernel.db(), &key).await.map_err(|e| broken(&e))?;
    let own = row.filter(|row| row.number.to_be_bytes().as_slice() == task.key.as_ref() as &[u8]);
    let Some(row) = own else {
        return Ok(Outcome::Done);
    };
    let period_ms = row.retention_s() * 1000;
    let oldest = sweep(&kernel, row.number, kernel.env().clock.now_ms() - period_ms)
        .await
        .map_err(|e| broken(&e))?;
    let from = oldest.unwrap_or_else(|| kernel.env().clock.now_ms());
    Ok(Outcome::Again { due_ms: from + period_ms, payload: None })
}

/// Removes what was sent before a moment. Answers when the oldest that is left was sent.
async fn sweep(kernel: &Kernel, queue: u64, before_ms: i64) -> Result<Option<i64>, ServiceError> {
    let mut after: Option<(u64, i64, u64)> = None;
    let mut oldest: Option<i64> = None;
    loop {
        let step = kernel
            .db()
            .transact(move |tx| async move {
                let range = match &after {
                    Some(key) => MESSAGES.after(&(queue,), key),
                    None => MESSAGES.prefix(&(queue,)),
                };
                let rows = MESSAGES.scan(&tx, range, CHUNK, false).await?;
                let last = rows.last().map(|(key, _)| *key);
                let mut kept: Option<i64> = None;
                let mut gone = 0;
                for (key, row) in rows {
                    // Read again under the transaction's protection: it may have been taken meanwhile.
                    let row = if row.sent_ms < before_ms {
                        MESSAGES.get(&tx, &key).await?
                    } else {
                        Some(row)
                    };
                    match row {
                        Some(row) if row.sent_ms < before_ms => {
                            remove(&tx, &key, &row)?;
                            gone += 1;
                        }
                        Some(row) => kept = Some(kept.map_or(row.sent_ms, |k| k.min(row.sent_ms))),
                        None => {}
                    }
                }
                count(&tx, queue, -gone)?;
                Ok::<_, ServiceError>((last, kept))
            })
            .await?;
        oldest = [oldest, step.1].into_iter().flatten().min();
        match step.0 {
            Some(last) => after = Some(last),
            None => return Ok(oldest),
        }
    }
}
