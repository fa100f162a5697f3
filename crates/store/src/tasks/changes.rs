//! What a transaction does to tasks. Noted while it runs, applied when it commits: so a service can spawn and cancel
//! without waiting, and everything that has to be read is read once.

use bytes::Bytes;

use super::rows::{DEAD, DUE, KEYS, LEASED, Lease, Next, TASKS, TaskId, TaskRow};
use super::{NewTask, Task};
use crate::error::Error;
use crate::tx::Tx;

#[derive(Debug, Clone)]
pub(crate) enum TaskChange {
    Spawn { id: TaskId, task: NewTask },
    Cancel { kind: &'static str, key: Vec<u8> },
    Settle { kind: &'static str, id: TaskId, lease: Lease, settled: Settled, is_strict: bool },
}

/// How a run ended.
#[derive(Debug, Clone)]
pub(crate) enum Settled {
    Done,
    Again {
        due_ms: i64,
        payload: Option<Bytes>,
    },
    Failed {
        due_ms: i64,
        error: String,
    },
    Dead {
        error: String,
    },
    /// The run did not count: it never began, or the process is leaving.
    Released,
}

impl TaskChange {
    pub(crate) fn settle(task: &Task, settled: Settled, is_strict: bool) -> TaskChange {
        TaskChange::Settle { kind: task.kind, id: task.id, lease: task.lease, settled, is_strict }
    }
}

pub(crate) async fn apply_changes(tx: &Tx, changes: Vec<TaskChange>) -> Result<(), Error> {
    for change in changes {
        match change {
            TaskChange::Spawn { id, task } => spawn(tx, id, task).await?,
            TaskChange::Cancel { kind, key } => cancel(tx, kind, key).await?,
            TaskChange::Settle { kind, id, lease, settled, is_strict } => {
                settle(tx, kind, id, lease, settled, is_strict).await?;
            }
        }
    }
    Ok(())
}

async fn spawn(tx: &Tx, id: TaskId, task: NewTask) -> Result<(), Error> {
    let NewTask { kind, key, due_ms, payload } = task;
    let kind = kind.to_owned();
    if !key.is_empty() {
        let slot = (kind.clone(), key.clone());
        if let Some(old) = KEYS.get(tx, &slot).await?
            && let Some(mut row) = TASKS.get(tx, &(kind.clone(), old)).await?
        {
            if row.lease.is_some() {
                row.next = Some(Next { due_ms, payload: payload.to_vec() });
                return TASKS.put(tx, &(kind, old), &row);
            }
            DUE.delete(tx, &(kind.clone(), row.due_ms, old))?;
            TASKS.delete(tx, &(kind.clone(), old))?;
        }
        KEYS.put(tx, &slot, &id)?;
    }
    let row = TaskRow {
        key,
        due_ms,
        payload: payload.to_vec(),
        attempt: 0,
        spawned_ms: tx.now_ms(),
        lease: None,
        next: None,
        last_error: None,
    };
    TASKS.put(tx, &(kind.clone(), id), &row)?;
    DUE.put(tx, &(kind, due_ms, id), &())
}

async fn cancel(tx: &Tx, kind: &str, key: Vec<u8>) -> Result<(), Error> {
    let slot = (kind.to_owned(), key);
    let Some(id) = KEYS.get(tx, &slot).await? else {
        return Ok(());
    };
    KEYS.delete(tx, &slot)?;
    let Some(row) = TASKS.get(tx, &(slot.0.clone(), id)).await? else {
        return Ok(());
    };
    remove(tx, &slot.0, id, &row)
}

/// Removes the rows of a task, without its key.
fn remove(tx: &Tx, kind: &str, id: TaskId, row: &TaskRow) -> Result<(), Error> {
    match row.lease {
        Some(lease) => LEASED.delete(tx, &(lease.node, kind.to_owned(), id))?,
        None => DUE.delete(tx, &(kind.to_owned(), row.due_ms, id))?,
    }
    TASKS.delete(tx, &(kind.to_owned(), id))
}

async fn settle(
    tx: &Tx,
    kind: &str,
    id: TaskId,
    lease: Lease,
    settled: Settled,
    is_strict: bool,
) -> Result<(), Error> {
    let row = TASKS.get(tx, &(kind.to_owned(), id)).await?;
    let Some(mut row) = row.filter(|row| row.lease == Some(lease)) else {
        // The handler may have settled the task itself, which is fine for the runner.
        return if is_strict { Err(Error::LeaseLost { task: id.to_string() }) } else { Ok(()) };
    };
    remove(tx, kind, id, &row)?;
    match (settled, row.next.take()) {
        (Settled::Done, None) => forget_key(tx, kind, id, &row).await,
        (Settled::Dead { error }, next) => {
            row.lease = None;
            row.last_error = Some(error);
            DEAD.put(tx, &(kind.to_owned(), id), &row)?;
            match next {
                Some(next) => wait(tx, kind, id, restarted(row, next)),
                None => forget_key(tx, kind, id, &row).await,
            }
        }
        (
            Settled::Done | Settled::Again { .. } | Settled::Failed { .. } | Settled::Released,
            Some(next),
        ) => wait(tx, kind, id, restarted(row, next)),
        (Settled::Again { due_ms, payload }, None) => {
            let payload = payload.map_or_else(|| row.payload.clone(), |payload| payload.to_vec());
            wait(tx, kind, id, restarted(row, Next { due_ms, payload }))
        }
        (Settled::Failed { due_ms, error }, None) => {
            wait(tx, kind, id, TaskRow { due_ms, last_error: Some(error), ..row })
        }
        (Settled::Released, None) => {
            let attempt = row.attempt.saturating_sub(1);
            wait(tx, kind, id, TaskRow { attempt, ..row })
        }
    }
}

fn restarted(row: TaskRow, next: Next) -> TaskRow {
    TaskRow { due_ms: next.due_ms, payload: next.payload, attempt: 0, last_error: None, ..row }
}

pub(crate) fn wait(tx: &Tx, kind: &str, id: TaskId, row: TaskRow) -> Result<(), Error> {
    let row = TaskRow { lease: None, ..row };
    DUE.put(tx, &(kind.to_owned(), row.due_ms, id), &())?;
    TASKS.put(tx, &(kind.to_owned(), id), &row)
}

async fn forget_key(tx: &Tx, kind: &str, id: TaskId, row: &TaskRow) -> Result<(), Error> {
    if row.key.is_empty() {
        return Ok(());
    }
    let slot = (kind.to_owned(), row.key.clone());
    if KEYS.get(tx, &slot).await? == Some(id) {
        KEYS.delete(tx, &slot)?;
    }
    Ok(())
}
