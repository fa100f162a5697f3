//! Background work: events that are too old, and those of deleted groups.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use undercast_kernel::service::TaskSpec;
use undercast_kernel::{Kernel, ServiceError};
use undercast_store::{Backoff, NewTask, Outcome, Task, TaskError, Tx};

use crate::store::{EVENTS, GROUPS, GroupKey, STREAMS};

pub(crate) const DAY_MS: i64 = 24 * 3_600_000;
const DROP: &str = "logs.drop";
const RETENTION: &str = "logs.retention";
const CHUNK: usize = 1_000;

fn spec(name: &'static str, run: undercast_kernel::service::RunTask) -> TaskSpec {
    let backoff = Backoff { first: Duration::from_millis(200), max: Duration::from_secs(60) };
    TaskSpec { name, concurrency: 1, attempts_max: 0, backoff, run }
}

pub(crate) fn drop_group() -> TaskSpec {
    spec(DROP, Arc::new(|kernel, task| run_drop(kernel, task).boxed()))
}

pub(crate) fn retention() -> TaskSpec {
    spec(RETENTION, Arc::new(|kernel, task| run_retention(kernel, task).boxed()))
}

pub(crate) fn spawn_drop(tx: &Tx, group: u64) -> Result<(), ServiceError> {
    let payload = group.to_be_bytes().to_vec().into();
    tx.spawn(NewTask { kind: DROP, key: Vec::new(), due_ms: tx.now_ms(), payload })?;
    Ok(())
}

pub(crate) fn spawn_retention(tx: &Tx, key: &GroupKey) -> Result<(), ServiceError> {
    let payload: Vec<u8> = serde_json::json!(key).to_string().into_bytes();
    let task_key = payload.clone();
    tx.spawn(NewTask {
        kind: RETENTION,
        key: task_key,
        due_ms: tx.now_ms(),
        payload: payload.into(),
    })?;
    Ok(())
}

fn broken(error: &impl std::fmt::Display) -> TaskError {
    TaskError::new(error.to_string())
}

async fn run_drop(kernel: Kernel, task: Task) -> Result<Outcome, TaskError> {
    let number: [u8; 8] = task.payload.as_ref().try_into().map_err(|e| broken(&e))?;
    let group = u64::from_be_bytes(number);
    while sweep(&kernel, group, i64::MAX).await.map_err(|e| broken(&e))? {}
    kernel
        .db()
        .transact(move |tx| async move {
            for (key, _) in STREAMS.scan(&tx, STREAMS.prefix(&(group,)), 100_000, false).await? {
                STREAMS.delete(&tx, &key)?;
            }
            Ok::<_, ServiceError>(())
        })
        .await
        .map_err(|e| broken(&e))?;
    Ok(Outcome::Done)
}

async fn run_retention(kernel: Kernel, task: Task) -> Result<Outcome, TaskError> {
    let key: GroupKey = serde_json::from_slice(&task.payload).map_err(|e| broken(&e))?;
    let row = GROUPS.read(kernel.db(), &key).await.map_err(|e| broken(&e))?;
    let Some((row, days)) = row.and_then(|row| row.retention_days.map(|days| (row, days))) else {
        return Ok(Outcome::Done);
    };
    let period_ms = i64::from(days) * DAY_MS;
    let now = kernel.env().clock.now_ms();
    while sweep(&kernel, row.number, now - period_ms).await.map_err(|e| broken(&e))? {}
    let oldest = EVENTS.list(kernel.db(), EVENTS.prefix(&(row.number,)), 1, false).await;
    let oldest = oldest.map_err(|e| broken(&e))?.first().map_or(now, |(key, _)| key.1);
    Ok(Outcome::Again { due_ms: (oldest + period_ms).max(now + 1_000), payload: None })
}

/// Removes some events before a moment; whether there may be more.
async fn sweep(kernel: &Kernel, group: u64, before_ms: i64) -> Result<bool, ServiceError> {
    kernel
        .db()
        .transact(move |tx| async move {
            let range = EVENTS.prefix(&(group,)).before_key(EVENTS.key(&(group, before_ms)));
            let rows = EVENTS.scan(&tx, range, CHUNK, false).await?;
            for (key, _) in &rows {
                EVENTS.delete(&tx, key)?;
            }
            Ok::<_, ServiceError>(rows.len() == CHUNK)
        })
        .await
}
