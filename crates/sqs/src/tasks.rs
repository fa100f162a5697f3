//! Background work: emptying queues and dropping what has become too old.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use undercast_kernel::service::TaskSpec;
use undercast_kernel::{Kernel, ServiceError};
use undercast_store::{Backoff, NewTask, Outcome, Task, TaskError, Tx};

use crate::engine::{count, fifo, known, moves, remove};
use crate::store::{FIFO, GROUPS, MESSAGES, MOVES, MoveStatus, QUEUES, QueueKey, QueueRow};

const PURGE: &str = "sqs.purge";
const RETENTION: &str = "sqs.retention";
const FORGET: &str = "sqs.forget";
const RETIME: &str = "sqs.retime";
const MOVE: &str = "sqs.move";
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

/// Forgets what a FIFO queue remembered until a minute that is over.
pub(crate) fn forget() -> TaskSpec {
    TaskSpec {
        name: FORGET,
        concurrency: 1,
        attempts_max: 0,
        backoff: backoff(),
        run: Arc::new(|kernel, task| run_forget(kernel, task).boxed()),
    }
}

/// Gives the groups of a FIFO queue their turns anew.
pub(crate) fn retime() -> TaskSpec {
    TaskSpec {
        name: RETIME,
        concurrency: 1,
        attempts_max: 0,
        backoff: backoff(),
        run: Arc::new(|kernel, task| run_retime(kernel, task).boxed()),
    }
}

/// Moves messages from a queue of dead letters to others.
pub(crate) fn moving() -> TaskSpec {
    TaskSpec {
        name: MOVE,
        concurrency: 8,
        attempts_max: 0,
        backoff: backoff(),
        run: Arc::new(|kernel, task| run_move(kernel, task).boxed()),
    }
}

pub(crate) fn spawn_forget(
    tx: &Tx,
    queue: u64,
    minute: i64,
    due_ms: i64,
) -> Result<(), ServiceError> {
    let payload = serde_json::json!([queue, minute]).to_string();
    let key = payload.clone().into_bytes();
    tx.spawn(NewTask { kind: FORGET, key, due_ms, payload: payload.into() })?;
    Ok(())
}

pub(crate) fn spawn_retime(tx: &Tx, key: &QueueKey, queue: u64) -> Result<(), ServiceError> {
    tx.spawn(NewTask {
        kind: RETIME,
        key: queue.to_be_bytes().to_vec(),
        due_ms: tx.now_ms(),
        payload: serde_json::json!(key).to_string().into(),
    })?;
    Ok(())
}

pub(crate) fn spawn_move(tx: &Tx, key: &(u64, i64, u64)) -> Result<(), ServiceError> {
    let payload = serde_json::json!(key).to_string();
    let due_ms = tx.now_ms();
    let key = payload.clone().into_bytes();
    tx.spawn(NewTask { kind: MOVE, key, due_ms, payload: payload.into() })?;
    Ok(())
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
    sweep_fifo(&kernel, queue, before_ms).await.map_err(|e| broken(&e))?;
    if before_ms == i64::MAX {
        // The queue is gone.
        let forgotten = kernel.db().transact(move |tx| async move {
            for (key, _) in MOVES.scan(&tx, MOVES.prefix(&(queue,)), CHUNK, false).await? {
                MOVES.delete(&tx, &key)?;
            }
            Ok::<_, ServiceError>(())
        });
        forgotten.await.map_err(|e| broken(&e))?;
    }
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
    let before_ms = kernel.env().clock.now_ms() - period_ms;
    let oldest = match row.is_fifo() {
        true => sweep_fifo(&kernel, row.number, before_ms).await,
        false => sweep(&kernel, row.number, before_ms).await,
    };
    let oldest = oldest.map_err(|e| broken(&e))?;
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

/// The same for the messages of a FIFO queue.
async fn sweep_fifo(
    kernel: &Kernel,
    queue: u64,
    before_ms: i64,
) -> Result<Option<i64>, ServiceError> {
    let mut after: Option<(u64, String, u64)> = None;
    let mut oldest: Option<i64> = None;
    loop {
        let from = after.clone();
        let (last, kept) = kernel
            .db()
            .transact(|tx| {
                let from = from.clone();
                async move {
                    let range = match &from {
                        Some(key) => FIFO.after(&(queue,), key),
                        None => FIFO.prefix(&(queue,)),
                    };
                    let rows = FIFO.scan(&tx, range, CHUNK, false).await?;
                    let last = rows.last().map(|(key, _)| key.clone());
                    let mut kept: Option<i64> = None;
                    for (key, row) in rows {
                        if row.sent_ms >= before_ms {
                            kept = Some(kept.map_or(row.sent_ms, |k| k.min(row.sent_ms)));
                        } else if let Some(row) = FIFO.get(&tx, &key).await? {
                            fifo::drop_message(&tx, &key, &row).await?;
                        }
                    }
                    Ok::<_, ServiceError>((last, kept))
                }
            })
            .await?;
        oldest = [oldest, kept].into_iter().flatten().min();
        match last {
            Some(last) => after = Some(last),
            None => return Ok(oldest),
        }
    }
}

async fn run_forget(kernel: Kernel, task: Task) -> Result<Outcome, TaskError> {
    let (queue, minute): (u64, i64) =
        serde_json::from_slice(&task.payload).map_err(|e| broken(&e))?;
    let mut after = None;
    loop {
        let from = after.clone();
        let step = kernel.db().transact(|tx| {
            let from = from.clone();
            async move { known::forget(&tx, queue, minute, from.as_ref(), CHUNK).await }
        });
        after = step.await.map_err(|e| broken(&e))?;
        if after.is_none() {
            return Ok(Outcome::Done);
        }
    }
}

async fn run_retime(kernel: Kernel, task: Task) -> Result<Outcome, TaskError> {
    let key: QueueKey = serde_json::from_slice(&task.payload).map_err(|e| broken(&e))?;
    let Some(queue) = QUEUES.read(kernel.db(), &key).await? else {
        return Ok(Outcome::Done);
    };
    let mut after: Option<(u64, String)> = None;
    loop {
        let (from, row) = (after.clone(), queue.clone());
        let step = kernel.db().transact(|tx| {
            let (from, queue) = (from.clone(), row.clone());
            async move {
                let range = match &from {
                    Some(key) => GROUPS.after(&(queue.number,), key),
                    None => GROUPS.prefix(&(queue.number,)),
                };
                let groups = GROUPS.scan(&tx, range, CHUNK, false).await?;
                for (key, _) in &groups {
                    fifo::retime(&tx, &queue, key).await?;
                }
                Ok::<_, ServiceError>(groups.last().map(|(key, _)| key.clone()))
            }
        });
        after = step.await.map_err(|e| broken(&e))?;
        if after.is_none() {
            return Ok(Outcome::Done);
        }
    }
}

async fn run_move(kernel: Kernel, task: Task) -> Result<Outcome, TaskError> {
    let key: (u64, i64, u64) = serde_json::from_slice(&task.payload).map_err(|e| broken(&e))?;
    let step = kernel.db().transact(move |tx| async move { moves::step(&tx, &key).await });
    let row = match step.await {
        Ok(Some(row)) => row,
        Ok(None) => return Ok(Outcome::Done),
        Err(error) if moves::is_final(&error) => {
            let fail = kernel.db().transact(move |tx| async move { moves::fail(&tx, &key).await });
            fail.await.map_err(|e| broken(&e))?;
            return Ok(Outcome::Done);
        }
        Err(error) => return Err(broken(&error)),
    };
    if row.status != MoveStatus::Running {
        return Ok(Outcome::Done);
    }
    let pause_ms = row.per_second.map_or(0, |rate| moves::batch(&row) * 1000 / rate.max(1));
    Ok(Outcome::Again { due_ms: kernel.env().clock.now_ms() + pause_ms, payload: None })
}
