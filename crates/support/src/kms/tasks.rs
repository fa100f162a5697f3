//! Background work: keys whose time has come.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use undercast_kernel::service::TaskSpec;
use undercast_kernel::{Kernel, ServiceError};
use undercast_store::{Backoff, NewTask, Outcome, Task, TaskError, Tx};

use super::store::{ALIASES, KEYS};

const DELETE: &str = "kms.delete";

pub(crate) fn delete() -> TaskSpec {
    TaskSpec {
        name: DELETE,
        concurrency: 1,
        attempts_max: 0,
        backoff: Backoff { first: Duration::from_secs(1), max: Duration::from_secs(60) },
        run: Arc::new(|kernel, task| run(kernel, task).boxed()),
    }
}

pub(crate) fn spawn_delete(
    tx: &Tx,
    key: &(String, String, String),
    at_ms: i64,
) -> Result<(), ServiceError> {
    let payload = serde_json::json!(key).to_string().into_bytes();
    tx.spawn(NewTask {
        kind: DELETE,
        key: payload.clone(),
        due_ms: at_ms,
        payload: payload.into(),
    })?;
    Ok(())
}

async fn run(kernel: Kernel, task: Task) -> Result<Outcome, TaskError> {
    let key: (String, String, String) =
        serde_json::from_slice(&task.payload).map_err(|e| TaskError::new(e.to_string()))?;
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
                KEYS.delete(&tx, &key)?;
                Ok::<_, ServiceError>(())
            }
        })
        .await
        .map_err(|e| TaskError::new(e.to_string()))?;
    Ok(Outcome::Done)
}
