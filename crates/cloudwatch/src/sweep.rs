//! Removes what is older than its resolution is kept for, a bounded piece at a time.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use undercast_kernel::service::TaskSpec;
use undercast_kernel::{Kernel, ServiceError};
use undercast_store::{Backoff, NewTask, Outcome, Task, TaskError, Tx};

use crate::limits::{HOUR_MS, RESOLUTIONS};
use crate::store::{METRICS, MetricKey, MetricRow, POINTS, SWEEPING};

const KIND: &str = "cloudwatch.sweep";
const METRICS_AT_ONCE: usize = 50;
const ROWS_AT_ONCE: usize = 1_000;

pub(crate) fn task() -> TaskSpec {
    let backoff = Backoff { first: Duration::from_secs(1), max: Duration::from_secs(60) };
    let run = Arc::new(|kernel, task| run(kernel, task).boxed());
    TaskSpec { name: KIND, concurrency: 1, attempts_max: 0, backoff, run }
}

/// There is a metric: from now on somebody looks once in an hour.
pub(crate) async fn ensure(tx: &Tx) -> Result<(), ServiceError> {
    if SWEEPING.get(tx, &()).await?.is_some() {
        return Ok(());
    }
    SWEEPING.put(tx, &(), &true)?;
    let due_ms = tx.now_ms() + HOUR_MS;
    tx.spawn(NewTask {
        kind: KIND,
        key: b"all".to_vec(),
        due_ms,
        payload: b"null".to_vec().into(),
    })?;
    Ok(())
}

async fn run(kernel: Kernel, task: Task) -> Result<Outcome, TaskError> {
    let after: Option<MetricKey> = serde_json::from_slice(&task.payload).map_err(TaskError::new)?;
    let swept = kernel.db().transact(|tx| {
        let after = after.clone();
        async move { sweep(&tx, after).await }
    });
    let outcome = match swept.await.map_err(TaskError::new)? {
        Swept::Nothing => Outcome::Done,
        Swept::Until(last) => Outcome::Again {
            due_ms: kernel.env().clock.now_ms(),
            payload: Some(serde_json::json!(last).to_string().into_bytes().into()),
        },
        Swept::All => Outcome::Again {
            due_ms: kernel.env().clock.now_ms() + HOUR_MS,
            payload: Some(b"null".to_vec().into()),
        },
    };
    Ok(outcome)
}

enum Swept {
    /// There is no metric at all.
    Nothing,
    /// Go on behind this one.
    Until(Option<MetricKey>),
    All,
}

async fn sweep(tx: &Tx, after: Option<MetricKey>) -> Result<Swept, ServiceError> {
    let range = match &after {
        Some(last) => METRICS.after(&(), last),
        None => METRICS.all(),
    };
    let metrics = METRICS.scan(tx, range, METRICS_AT_ONCE, false).await?;
    if metrics.is_empty() {
        if after.is_some() {
            return Ok(Swept::All);
        }
        SWEEPING.delete(tx, &())?;
        return Ok(Swept::Nothing);
    }
    let mut left = ROWS_AT_ONCE;
    let mut last = after;
    for (key, row) in metrics {
        if !sweep_metric(tx, &key, &row, &mut left).await? {
            break;
        }
        last = Some(key);
    }
    Ok(Swept::Until(last))
}

/// Whether nothing old is left of the metric.
async fn sweep_metric(
    tx: &Tx,
    key: &MetricKey,
    row: &MetricRow,
    left: &mut usize,
) -> Result<bool, ServiceError> {
    let mut kept_ms = 0;
    for (seconds, kept) in RESOLUTIONS {
        kept_ms = kept_ms.max(kept);
        let before = (tx.now_ms() - kept).div_euclid(1000);
        let range = POINTS.prefix(&(row.id.clone(), seconds));
        let range = range.before_key(POINTS.key(&(row.id.clone(), seconds, before)));
        let old = POINTS.scan(tx, range, *left, false).await?;
        for (key, _) in &old {
            POINTS.delete(tx, key)?;
        }
        *left -= old.len();
        if *left == 0 {
            return Ok(false);
        }
    }
    if row.written_ms < tx.now_ms() - kept_ms {
        METRICS.delete(tx, key)?;
    }
    Ok(true)
}
