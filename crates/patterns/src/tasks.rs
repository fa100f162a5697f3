//! Background work: forgetting what a deleted run has found.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use undercast_kernel::service::TaskSpec;
use undercast_kernel::{Kernel, ServiceError};
use undercast_store::{Backoff, NewTask, Outcome, Task, TaskError, Tx};

use crate::ledger::Ledger;
use crate::store::{PASSAGES, RECORDED, REFUSED};

const FORGET: &str = "release.forget";
const CHUNK: usize = 20;

fn broken(error: &impl std::fmt::Display) -> TaskError {
    TaskError::new(error.to_string())
}

pub(crate) fn forget() -> TaskSpec {
    let backoff = Backoff { first: Duration::from_millis(200), max: Duration::from_secs(60) };
    let run = Arc::new(|kernel, task| run_forget(kernel, task).boxed());
    TaskSpec { name: FORGET, concurrency: 1, attempts_max: 0, backoff, run }
}

pub(crate) fn spawn_forget(tx: &Tx, run: &str) -> Result<(), ServiceError> {
    let payload = run.as_bytes().to_vec();
    // A candidate that is under way may still be counted: that is forgotten, too.
    let due_ms = tx.now_ms();
    tx.spawn(NewTask { kind: FORGET, key: payload.clone(), due_ms, payload: payload.into() })?;
    Ok(())
}

async fn run_forget(kernel: Kernel, task: Task) -> Result<Outcome, TaskError> {
    let run = String::from_utf8(task.payload.to_vec()).map_err(|e| broken(&e))?;
    loop {
        let run = run.clone();
        let removed = kernel.db().transact(move |tx| {
            let run = run.clone();
            async move {
                let rows =
                    RECORDED.scan(&tx, RECORDED.prefix(&(run.as_str(),)), CHUNK, false).await?;
                for (key, _) in &rows {
                    RECORDED.delete(&tx, key)?;
                }
                if !rows.is_empty() {
                    return Ok::<_, ServiceError>(true);
                }
                tx.reset(RECORDED.key(&(crate::runs::COUNT, run.as_str())))?;
                REFUSED.delete(&tx, &(run.clone(),))?;
                let rows =
                    PASSAGES.scan(&tx, PASSAGES.prefix(&(run.as_str(),)), CHUNK, false).await?;
                for (key, _) in &rows {
                    PASSAGES.delete(&tx, key)?;
                }
                Ok(!rows.is_empty() || Ledger::default().remove(&tx, &run).await?)
            }
        });
        if !removed.await.map_err(|e| broken(&e))? {
            return Ok(Outcome::Done);
        }
    }
}
