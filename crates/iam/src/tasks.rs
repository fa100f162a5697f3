//! Background work: temporary credentials whose time is over.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use undercast_kernel::service::TaskSpec;
use undercast_kernel::{Kernel, ServiceError};
use undercast_store::{Backoff, NewTask, Outcome, Task, TaskError, Tx};

use crate::store::KEYS;

const EXPIRE: &str = "sts.expire";
/// A key is kept this long after its end, so that its user hears that it has expired.
const KEPT_MS: i64 = 3_600_000;

pub(crate) fn expire() -> TaskSpec {
    TaskSpec {
        name: EXPIRE,
        concurrency: 4,
        attempts_max: 0,
        backoff: Backoff { first: Duration::from_secs(1), max: Duration::from_secs(60) },
        run: Arc::new(|kernel, task| run(kernel, task).boxed()),
    }
}

/// In the transaction that issues the key.
pub(crate) fn spawn_expire(tx: &Tx, access_key: &str, expires_ms: i64) -> Result<(), ServiceError> {
    let key = access_key.as_bytes().to_vec();
    let payload = key.clone().into();
    tx.spawn(NewTask { kind: EXPIRE, key, due_ms: expires_ms + KEPT_MS, payload })?;
    Ok(())
}

async fn run(kernel: Kernel, task: Task) -> Result<Outcome, TaskError> {
    let access_key = String::from_utf8_lossy(&task.payload).into_owned();
    kernel
        .db()
        .transact(move |tx| {
            let access_key = access_key.clone();
            async move { Ok::<_, ServiceError>(KEYS.delete(&tx, &access_key)?) }
        })
        .await
        .map_err(|e| TaskError::new(e.to_string()))?;
    Ok(Outcome::Done)
}
