//! Looking at tasks from outside.

use super::rows::{DEAD, TASKS, TaskId, TaskRow};
use crate::db::Db;
use crate::error::Error;
use crate::tasks::changes::wait;

/// What [`Db::tasks`] returns.
pub struct Tasks {
    db: Db,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskState {
    Waiting,
    Running,
    Dead,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskInfo {
    pub kind: String,
    pub id: TaskId,
    pub state: TaskState,
    pub key: Vec<u8>,
    pub due_ms: i64,
    pub spawned_ms: i64,
    pub attempt: u32,
    pub payload: Vec<u8>,
    pub last_error: Option<String>,
}

impl Tasks {
    pub(crate) fn new(db: Db) -> Tasks {
        Tasks { db }
    }

    /// Tasks that wait or run, of one kind or of all, in the order of their kinds and of their making.
    pub async fn list(
        &self,
        kind: Option<&str>,
        after: Option<(String, TaskId)>,
        limit: usize,
    ) -> Result<Vec<TaskInfo>, Error> {
        let mut range = kind.map_or_else(|| TASKS.all(), |kind| TASKS.prefix(kind));
        if let Some(after) = after {
            range = range.after_key(&TASKS.key(&after));
        }
        let rows = TASKS.list(&self.db, range, limit, false).await?;
        Ok(rows.into_iter().map(|((kind, id), row)| info(kind, id, row, false)).collect())
    }

    /// Dead letters, in the same order.
    pub async fn dead(
        &self,
        kind: Option<&str>,
        after: Option<(String, TaskId)>,
        limit: usize,
    ) -> Result<Vec<TaskInfo>, Error> {
        let mut range = kind.map_or_else(|| DEAD.all(), |kind| DEAD.prefix(kind));
        if let Some(after) = after {
            range = range.after_key(&DEAD.key(&after));
        }
        let rows = DEAD.list(&self.db, range, limit, false).await?;
        Ok(rows.into_iter().map(|((kind, id), row)| info(kind, id, row, true)).collect())
    }

    /// Lets a dead letter run again, as if new. False if there is none.
    pub async fn redrive(&self, kind: &str, id: TaskId) -> Result<bool, Error> {
        let key = (kind.to_owned(), id);
        let step = |tx: crate::Tx| {
            let key = key.clone();
            async move {
                let Some(row) = DEAD.get(&tx, &key).await? else {
                    return Ok(false);
                };
                DEAD.delete(&tx, &key)?;
                if TASKS.get(&tx, &key).await?.is_some() {
                    return Ok(true);
                }
                wait(&tx, &key.0, id, TaskRow { due_ms: tx.now_ms(), attempt: 0, ..row })?;
                Ok(true)
            }
        };
        self.db.transact(step).await
    }

    /// Forgets a dead letter.
    pub async fn forget(&self, kind: &str, id: TaskId) -> Result<(), Error> {
        let key = (kind.to_owned(), id);
        self.db
            .transact(|tx| {
                let key = key.clone();
                async move { DEAD.delete(&tx, &key) }
            })
            .await
    }
}

fn info(kind: String, id: TaskId, row: TaskRow, is_dead: bool) -> TaskInfo {
    let state = match (is_dead, row.lease) {
        (true, _) => TaskState::Dead,
        (false, Some(_)) => TaskState::Running,
        (false, None) => TaskState::Waiting,
    };
    TaskInfo {
        kind,
        id,
        state,
        key: row.key,
        due_ms: row.due_ms,
        spawned_ms: row.spawned_ms,
        attempt: row.attempt,
        payload: row.payload,
        last_error: row.last_error,
    }
}
