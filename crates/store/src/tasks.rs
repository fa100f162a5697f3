//! Durable tasks: the one kind of background work.
//!
//! A task is spawned in the transaction that causes it. A runner leases what is due, runs its handler, and
//! completes or reschedules it; what fails too often goes to the dead letters. A lease is a row that names the
//! node and a token, and completing checks both: whoever lost its lease cannot complete.
//!
//! With a store of its own, a process that starts knows that all older leases are void. Where several nodes share a
//! database, each beats a row of its own while it runs tasks, and who sees it stand still for long takes over.

mod changes;
mod effects;
mod list;
mod rows;
mod runner;

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;

use crate::error::Error;
use crate::tx::Tx;

pub(crate) use changes::{TaskChange, apply_changes};
pub use effects::TaskEffect;
pub(crate) use effects::{is_task_row, task_effect};
pub use list::{TaskInfo, TaskState, Tasks};
pub use rows::TaskId;
pub use runner::TaskRunner;

#[derive(Debug, Clone)]
pub struct NewTask {
    pub kind: &'static str,
    /// Unique per kind unless empty: spawning again replaces the waiting task; if it is running, it runs
    /// again afterwards.
    pub key: Vec<u8>,
    pub due_ms: i64,
    pub payload: Bytes,
}

/// A leased task, as its handler sees it.
#[derive(Debug, Clone)]
pub struct Task {
    pub id: TaskId,
    pub kind: &'static str,
    pub key: Vec<u8>,
    /// When it should have run.
    pub due_ms: i64,
    pub payload: Bytes,
    /// 1 the first time.
    pub attempt: u32,
    /// When it was spawned.
    pub spawned_ms: i64,
    pub(crate) lease: rows::Lease,
}

impl Task {
    /// Completes the task as part of the handler's own transaction. If the lease is lost by then, that transaction
    /// fails with [`Error::LeaseLost`].
    pub fn complete(&self, tx: &Tx) -> Result<(), Error> {
        tx.change_task(TaskChange::settle(self, changes::Settled::Done, true))
    }

    /// Lets the task run again, as if it were new, as part of the handler's own transaction.
    pub fn again(&self, tx: &Tx, due_ms: i64, payload: Option<Bytes>) -> Result<(), Error> {
        tx.change_task(TaskChange::settle(self, changes::Settled::Again { due_ms, payload }, true))
    }
}

impl Tx {
    /// Spawns a task with this transaction.
    pub fn spawn(&self, task: NewTask) -> Result<TaskId, Error> {
        let id = TaskId::new(self.now_ms(), self.ids());
        self.change_task(TaskChange::Spawn { id, task })?;
        Ok(id)
    }

    /// Removes the task of this kind and key, if there is one. If it is running, it cannot complete any more.
    pub fn cancel(&self, kind: &'static str, key: &[u8]) -> Result<(), Error> {
        self.change_task(TaskChange::Cancel { kind, key: key.to_vec() })
    }
}

/// How long to wait after the first failed attempt; doubled after each further one.
#[derive(Debug, Clone, Copy)]
pub struct Backoff {
    pub first: Duration,
    pub max: Duration,
}

impl Backoff {
    pub const fn new(first: Duration, max: Duration) -> Backoff {
        Backoff { first, max }
    }

    fn after(&self, attempt: u32) -> Duration {
        let doublings = attempt.saturating_sub(1).min(30);
        self.first.saturating_mul(1 << doublings).min(self.max)
    }
}

pub type TaskFn = Arc<dyn Fn(Task) -> BoxFuture<'static, Result<Outcome, TaskError>> + Send + Sync>;

#[derive(Clone)]
pub struct TaskKind {
    pub name: &'static str,
    /// How many run at the same time in this process.
    pub concurrency: usize,
    /// 0: for ever.
    pub attempts_max: u32,
    pub backoff: Backoff,
    pub run: TaskFn,
}

impl TaskKind {
    /// A kind with usual settings: 16 at a time, for ever, from 1 s to 5 minutes between attempts.
    pub fn new<F, Fut>(name: &'static str, run: F) -> TaskKind
    where
        F: Fn(Task) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Outcome, TaskError>> + Send + 'static,
    {
        TaskKind {
            name,
            concurrency: 16,
            attempts_max: 0,
            backoff: Backoff::new(Duration::from_secs(1), Duration::from_secs(300)),
            run: Arc::new(move |task| Box::pin(run(task))),
        }
    }
}

/// What a handler that succeeded wants. If it completed or rescheduled its task in a transaction
/// already, that holds.
#[derive(Debug, Clone)]
pub enum Outcome {
    Done,
    /// Run again, as if new. Without a payload, with the old one.
    Again {
        due_ms: i64,
        payload: Option<Bytes>,
    },
}

/// Why an attempt failed.
#[derive(Debug)]
pub struct TaskError {
    source: Box<dyn std::error::Error + Send + Sync>,
    is_final: bool,
}

impl TaskError {
    /// The attempt failed, another one may succeed.
    pub fn new(reason: impl Display) -> TaskError {
        TaskError { source: reason.to_string().into(), is_final: false }
    }

    /// No attempt will ever succeed: straight to the dead letters.
    pub fn fatal(reason: impl Display) -> TaskError {
        TaskError { source: reason.to_string().into(), is_final: true }
    }
}

impl Display for TaskError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        Display::fmt(&self.source, f)
    }
}

impl From<Error> for TaskError {
    fn from(error: Error) -> TaskError {
        TaskError { source: Box::new(error), is_final: false }
    }
}
