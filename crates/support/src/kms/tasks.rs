//! Background work: keys whose time has come, to go or to be rotated.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use undercast_kernel::service::TaskSpec;
use undercast_kernel::{Kernel, ServiceError};
use undercast_store::{Backoff, NewTask, Outcome, Task, TaskError, Tx};

use super::material;
use super::store::{ALIASES, GRANTS, KEYS, Key, KeyRow, MATERIALS};

const DELETE: &str = "kms.delete";
const ROTATE: &str = "kms.rotate";
pub(crate) const DAY_MS: i64 = 24 * 3_600_000;

fn spec(name: &'static str, run: undercast_kernel::service::RunTask) -> TaskSpec {
    TaskSpec {
        name,
        concurrency: 1,
        attempts_max: 0,
        backoff: Backoff { first: Duration::from_secs(1), max: Duration::from_secs(60) },
        run,
    }
}

pub(crate) fn delete() -> TaskSpec {
    spec(DELETE, Arc::new(|kernel, task| run_delete(kernel, task).boxed()))
}

pub(crate) fn rotate() -> TaskSpec {
    spec(ROTATE, Arc::new(|kernel, task| run_rotate(kernel, task).boxed()))
}

fn spawn(tx: &Tx, kind: &'static str, key: &Key, at_ms: i64) -> Result<(), ServiceError> {
    let payload = serde_json::json!(key).to_string().into_bytes();
    tx.spawn(NewTask { kind, key: payload.clone(), due_ms: at_ms, payload: payload.into() })?;
    Ok(())
}

pub(crate) fn spawn_delete(tx: &Tx, key: &Key, at_ms: i64) -> Result<(), ServiceError> {
    spawn(tx, DELETE, key, at_ms)
}

/// Sets when a key is rotated next: `row.rotation_days` from now, or never.
pub(crate) fn plan_rotation(tx: &Tx, key: &Key, row: &mut KeyRow) -> Result<(), ServiceError> {
    row.rotation_ms = row.rotation_days.map(|days| tx.now_ms() + i64::from(days) * DAY_MS);
    match row.rotation_ms {
        Some(at) => spawn(tx, ROTATE, key, at),
        None => Ok(()),
    }
}

fn read(task: &Task) -> Result<Key, TaskError> {
    serde_json::from_slice(&task.payload).map_err(TaskError::fatal)
}

async fn run_delete(kernel: Kernel, task: Task) -> Result<Outcome, TaskError> {
    let key = read(&task)?;
    kernel
        .db()
        .transact(move |tx| {
            let key = key.clone();
            async move {
                let row = KEYS.get(&tx, &key).await?;
                // Cancelled, or put off.
                if row.and_then(|row| row.deletion_ms).is_none_or(|at| at > tx.now_ms()) {
                    return Ok(());
                }
                let scope = (key.0.clone(), key.1.clone());
                for (alias, row) in ALIASES.scan(&tx, ALIASES.prefix(&scope), 10_000, false).await?
                {
                    if row.key_id == key.2 {
                        ALIASES.delete(&tx, &alias)?;
                    }
                }
                for (place, _) in MATERIALS.scan(&tx, MATERIALS.prefix(&key), 10_000, false).await?
                {
                    MATERIALS.delete(&tx, &place)?;
                }
                for (place, _) in GRANTS.scan(&tx, GRANTS.prefix(&key), 10_000, false).await? {
                    GRANTS.delete(&tx, &place)?;
                }
                KEYS.delete(&tx, &key)?;
                Ok::<_, ServiceError>(())
            }
        })
        .await
        .map_err(|e| TaskError::new(e.to_string()))?;
    Ok(Outcome::Done)
}

async fn run_rotate(kernel: Kernel, task: Task) -> Result<Outcome, TaskError> {
    let key = read(&task)?;
    let given = kernel.clone();
    kernel
        .db()
        .transact(move |tx| {
            let (key, kernel) = (key.clone(), given.clone());
            async move {
                let Some(mut row) = KEYS.get(&tx, &key).await? else { return Ok(()) };
                // Switched off, or put off.
                if row.rotation_ms.is_none_or(|at| at > tx.now_ms()) {
                    return Ok(());
                }
                if row.enabled && row.deletion_ms.is_none() {
                    material::rotate(&tx, &kernel, &key, &mut row, "AUTOMATIC").await?;
                }
                plan_rotation(&tx, &key, &mut row)?;
                KEYS.put(&tx, &key, &row)?;
                Ok::<_, ServiceError>(())
            }
        })
        .await
        .map_err(|e| TaskError::new(e.to_string()))?;
    Ok(Outcome::Done)
}
