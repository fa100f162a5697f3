//! Background work: removing what nobody needs any more.

mod lifecycle;
mod notify;

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use undercast_kernel::service::TaskSpec;
use undercast_kernel::{Kernel, ServiceError};
use undercast_store::{Backoff, NewTask, Outcome, Task, TaskError, Tx};

use crate::engine::object::link;
use crate::store::{CONFIGS, PARTS, UPLOADS};

pub(crate) use lifecycle::{lifecycle, spawn_lifecycle};
pub(crate) use notify::{NOTIFY, S3_SERVICE, as_s3, lets_invoke, notify, queue_policy};

const DROP_PARTS: &str = "s3.drop-parts";
const DROP_BUCKET: &str = "s3.drop-bucket";
const COLLECT: &str = "s3.collect-blobs";
/// How many rows one transaction removes.
const CHUNK: usize = 500;
/// Unlinked blobs younger than this may still be on their way into a row.
const BLOB_AGE: Duration = Duration::from_secs(24 * 3600);
const COLLECT_FIRST_MS: i64 = 10 * 60_000;
const COLLECT_EVERY_MS: i64 = 6 * 3_600_000;

fn spec(name: &'static str, run: undercast_kernel::service::RunTask) -> TaskSpec {
    TaskSpec {
        name,
        concurrency: 2,
        attempts_max: 0,
        backoff: Backoff::new(Duration::from_millis(200), Duration::from_secs(300)),
        run,
    }
}

fn broken(error: &impl std::fmt::Display) -> TaskError {
    TaskError::new(error)
}

/// Removes the parts of an upload or object that is gone.
pub(crate) fn drop_parts() -> TaskSpec {
    spec(DROP_PARTS, Arc::new(|kernel, task| run_drop_parts(kernel, task).boxed()))
}

/// Removes what is left of a bucket that is gone.
pub(crate) fn drop_bucket() -> TaskSpec {
    spec(DROP_BUCKET, Arc::new(|kernel, task| run_drop_bucket(kernel, task).boxed()))
}

/// Removes blobs that no row links, of all services.
pub(crate) fn collect() -> TaskSpec {
    spec(COLLECT, Arc::new(|kernel, _| run_collect(kernel).boxed()))
}

/// In the transaction that lets go of the parts.
pub(crate) fn spawn_drop_parts(tx: &Tx, bucket: u64, id: u64) -> Result<(), ServiceError> {
    spawn(tx, DROP_PARTS, &[bucket, id])
}

/// In the transaction that deletes the bucket.
pub(crate) fn spawn_drop_bucket(tx: &Tx, bucket: u64) -> Result<(), ServiceError> {
    spawn(tx, DROP_BUCKET, &[bucket])
}

fn spawn(tx: &Tx, kind: &'static str, numbers: &[u64]) -> Result<(), ServiceError> {
    tx.spawn(NewTask {
        kind,
        key: Vec::new(),
        due_ms: tx.now_ms(),
        payload: serde_json::json!(numbers).to_string().into(),
    })?;
    Ok(())
}

/// When the service starts.
pub(crate) async fn start(kernel: Kernel) -> Result<(), ServiceError> {
    kernel
        .db()
        .transact(|tx| async move {
            tx.spawn(NewTask {
                kind: COLLECT,
                key: b"all".to_vec(),
                due_ms: tx.now_ms() + COLLECT_FIRST_MS,
                payload: Vec::new().into(),
            })?;
            Ok(())
        })
        .await
}

async fn run_collect(kernel: Kernel) -> Result<Outcome, TaskError> {
    let db = kernel.db();
    let collected = db.blobs().collect(db, BLOB_AGE).await?;
    if collected.blobs > 0 {
        tracing::info!(target: "undercast::s3", "collected {} blobs, {} bytes", collected.blobs, collected.bytes);
    }
    Ok(Outcome::Again { due_ms: kernel.env().clock.now_ms() + COLLECT_EVERY_MS, payload: None })
}

async fn run_drop_parts(kernel: Kernel, task: Task) -> Result<Outcome, TaskError> {
    let [bucket, id]: [u64; 2] = serde_json::from_slice(&task.payload).map_err(|e| broken(&e))?;
    let remove = move |tx: Tx| async move {
        let rows = PARTS.scan(&tx, PARTS.prefix(&(bucket, id)), CHUNK, false).await?;
        remove_parts(&tx, &rows)?;
        Ok::<_, ServiceError>(rows.len())
    };
    while kernel.db().transact(remove).await.map_err(|e| broken(&e))? == CHUNK {}
    Ok(Outcome::Done)
}

type PartRows = [((u64, u64, u32), crate::store::PartRow)];

fn remove_parts(tx: &Tx, rows: &PartRows) -> Result<(), ServiceError> {
    for (key, row) in rows {
        tx.unlink_blob(&row.blob, &link(key.0, row.link))?;
        PARTS.delete(tx, key)?;
    }
    Ok(())
}

async fn run_drop_bucket(kernel: Kernel, task: Task) -> Result<Outcome, TaskError> {
    let [bucket]: [u64; 1] = serde_json::from_slice(&task.payload).map_err(|e| broken(&e))?;
    let remove = move |tx: Tx| async move {
        let parts = PARTS.scan(&tx, PARTS.prefix(&(bucket,)), CHUNK, false).await?;
        remove_parts(&tx, &parts)?;
        let uploads = UPLOADS.scan(&tx, UPLOADS.prefix(&(bucket,)), CHUNK, false).await?;
        for (key, _) in &uploads {
            UPLOADS.delete(&tx, key)?;
        }
        let configs = CONFIGS.scan(&tx, CONFIGS.prefix(&(bucket,)), CHUNK, false).await?;
        for (key, _) in &configs {
            CONFIGS.delete(&tx, key)?;
        }
        Ok::<_, ServiceError>(parts.len().max(uploads.len()))
    };
    while kernel.db().transact(remove).await.map_err(|e| broken(&e))? == CHUNK {}
    Ok(Outcome::Done)
}
