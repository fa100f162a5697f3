//! The runner: one loop per kind that leases what is due and sleeps until the next moment that matters.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::{Either, select};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};

use super::changes::{Settled, TaskChange, wait};
use super::rows::{DEAD, DUE, LEASED, Lease, NODES, TASKS, TaskId, TaskRow};
use super::{Outcome, Task, TaskError, TaskKind};
use crate::db::Db;
use crate::error::Error;
use crate::key::KeyRange;
use crate::tx::Tx;

/// How often a node that runs tasks on a shared store says that it lives.
const BEAT: Duration = Duration::from_secs(10);
/// How long a node may be silent before others take its tasks over.
const SILENCE_MAX: Duration = Duration::from_secs(45);
/// How long `drain` waits for what runs.
const DRAIN_MAX: Duration = Duration::from_secs(10);
/// When to look again at a due task that another node holds.
const HELD_ELSEWHERE_MS: i64 = 2_000;
/// How many tasks one transaction leases.
const LEASES_MAX: usize = 32;

/// Runs tasks until it is drained. Dropping it drains without waiting.
pub struct TaskRunner {
    shared: Arc<Shared>,
}

struct Shared {
    db: Db,
    node: u64,
    draining: Flag,
    running: watch::Sender<usize>,
}

/// Raised once. It wakes who waits for it in the order in which they came, which the simulator needs:
/// tokio's `watch` wakes its receivers in a random one.
#[derive(Default)]
struct Flag {
    is_raised: AtomicBool,
    waiting: Notify,
}

impl Flag {
    fn raise(&self) {
        self.is_raised.store(true, Ordering::SeqCst);
        self.waiting.notify_waiters();
    }

    fn is_raised(&self) -> bool {
        self.is_raised.load(Ordering::SeqCst)
    }

    async fn raised(&self) {
        let notified = self.waiting.notified();
        futures::pin_mut!(notified);
        // In line before the flag is looked at, so that no raising is missed.
        notified.as_mut().enable();
        if !self.is_raised() {
            notified.await;
        }
    }
}

impl TaskRunner {
    pub fn start(db: Db, kinds: Vec<TaskKind>) -> TaskRunner {
        let node = db.env().ids.u64();
        let shared = Arc::new(Shared {
            db: db.clone(),
            node,
            draining: Flag::default(),
            running: watch::Sender::new(0),
        });
        let runner = TaskRunner { shared: shared.clone() };
        if db.is_dark() {
            // What is spawned in the dark is an effect, nothing more.
            return runner;
        }
        let env = db.env().clone();
        env.clone().spawn("task recovery", async move {
            if db.is_shared() {
                env.spawn("task beats", beat(shared.clone()));
                env.spawn("task takeover", take_over(shared.clone()));
            } else {
                // This process alone has the store, so whoever held a lease is gone.
                until_done(&shared, || release_all(&shared.db, None, shared.node)).await;
            }
            for kind in kinds {
                env.spawn("task kind", work(shared.clone(), Arc::new(kind)));
            }
        });
        runner
    }

    /// Leases nothing more and waits for what runs, for ten seconds at most. What still runs then is taken up again
    /// by whoever opens the store next.
    pub async fn drain(&self) {
        self.shared.draining.raise();
        let mut running = self.shared.running.subscribe();
        let idle = running.wait_for(|running| *running == 0);
        let _ = self.shared.db.env().timeout(DRAIN_MAX, idle).await;
    }
}

impl Drop for TaskRunner {
    fn drop(&mut self) {
        self.shared.draining.raise();
    }
}

impl Shared {
    fn is_draining(&self) -> bool {
        self.draining.is_raised()
    }

    /// Waits for `future`; false if the runner drains first.
    async fn unless_draining(&self, future: impl Future) -> bool {
        let drained = self.draining.raised();
        futures::pin_mut!(drained, future);
        matches!(select(drained, future).await, Either::Right(_))
    }

    /// Waits a little, longer each time, after the store failed.
    async fn pause(&self, failures: &mut u32, error: &Error) -> bool {
        *failures += 1;
        tracing::warn!(%error, failures, "the store failed a task runner");
        let wait = Duration::from_millis(100 << (*failures).min(8));
        let env = self.db.env();
        self.unless_draining(env.clock.sleep(env.jitter(wait))).await
    }
}

async fn until_done<Fut: Future<Output = Result<(), Error>>>(
    shared: &Shared,
    step: impl Fn() -> Fut,
) {
    let mut failures = 0;
    while let Err(error) = step().await {
        if !shared.pause(&mut failures, &error).await {
            return;
        }
    }
}

/// Puts back what other nodes hold: all of them, or the one named.
async fn release_all(db: &Db, node: Option<u64>, own: u64) -> Result<(), Error> {
    let range = match node {
        Some(node) => LEASED.prefix(&node),
        None => LEASED.all(),
    };
    loop {
        let range = range.clone();
        let page = db.transact(move |tx| release_page(tx, range.clone(), own)).await?;
        if page == 0 {
            return Ok(());
        }
    }
}

async fn release_page(tx: Tx, range: KeyRange, own: u64) -> Result<usize, Error> {
    let rows = LEASED.scan(&tx, range, 128, false).await?;
    let mut released = 0;
    for ((node, kind, id), ()) in rows {
        if node == own {
            continue;
        }
        released += 1;
        LEASED.delete(&tx, &(node, kind.clone(), id))?;
        let row = TASKS.get(&tx, &(kind.clone(), id)).await?;
        if let Some(row) = row.filter(|row| row.lease.is_some_and(|lease| lease.node == node)) {
            wait(&tx, &kind, id, TaskRow { due_ms: tx.now_ms().min(row.due_ms), ..row })?;
        }
    }
    Ok(released)
}

/// Lets the row of this node grow while it runs tasks.
async fn beat(shared: Arc<Shared>) {
    let mut running = shared.running.subscribe();
    loop {
        let busy = async { running.wait_for(|running| *running > 0).await.map(drop) };
        if !shared.unless_draining(busy).await && *shared.running.borrow() == 0 {
            return;
        }
        let node = shared.node;
        let beaten = shared.db.transact(move |tx| async move {
            let beats = NODES.get(&tx, &node).await?.unwrap_or(0);
            NODES.put(&tx, &node, &(beats + 1))
        });
        if let Err(error) = beaten.await {
            tracing::warn!(%error, "this node could not say that it lives");
        }
        shared.db.env().clock.sleep(BEAT).await;
    }
}

/// Takes over the tasks of nodes that fell silent. Judged by this node's own monotonic time, so clocks of nodes need
/// not agree.
async fn take_over(shared: Arc<Shared>) {
    let clock = shared.db.env().clock.clone();
    let mut seen: BTreeMap<u64, (u64, Duration)> = BTreeMap::new();
    loop {
        match holders(&shared.db, shared.node).await {
            Err(error) => tracing::warn!(%error, "the nodes could not be read"),
            Ok(holders) => {
                let now = clock.monotonic();
                seen.retain(|node, _| holders.contains_key(node));
                for (node, beats) in holders {
                    let (last, since) = *seen.entry(node).or_insert((beats, now));
                    if last != beats {
                        seen.insert(node, (beats, now));
                    } else if now.saturating_sub(since) > SILENCE_MAX {
                        tracing::warn!(node, "a node is silent, its tasks are taken over");
                        if let Err(error) = forget_node(&shared.db, node, shared.node).await {
                            tracing::warn!(%error, "the tasks could not be taken over");
                        }
                    }
                }
            }
        }
        if !shared.unless_draining(clock.sleep(BEAT)).await {
            return;
        }
    }
}

async fn forget_node(db: &Db, node: u64, own: u64) -> Result<(), Error> {
    release_all(db, Some(node), own).await?;
    db.transact(move |tx| async move { NODES.delete(&tx, &node) }).await
}

/// The other nodes that hold leases, with their beats. Steps from node to node, not over all leases.
async fn holders(db: &Db, own: u64) -> Result<BTreeMap<u64, u64>, Error> {
    let tx = db.begin().await?;
    let mut found = BTreeMap::new();
    let mut range = LEASED.all();
    while let Some(((node, _, _), ())) = LEASED.scan(&tx, range, 1, false).await?.pop() {
        if node != own {
            found.insert(node, NODES.get(&tx, &node).await?.unwrap_or(0));
        }
        let Some(end) = LEASED.prefix(&node).end else {
            break;
        };
        range = LEASED.all().from_key(end);
    }
    Ok(found)
}

/// The loop of one kind.
async fn work(shared: Arc<Shared>, kind: Arc<TaskKind>) {
    let clock = shared.db.env().clock.clone();
    let due = DUE.prefix(kind.name);
    let mut watch = shared.db.watch(&due.start);
    // Nothing that is due lies before the cursor: what is worked off leaves a trail of deleted rows
    // that must not be read again.
    let mut cursor = due.start.clone();
    let slots = Arc::new(Semaphore::new(kind.concurrency.max(1)));
    let mut failures = 0;
    loop {
        let free = slots.clone().acquire_owned().map(drop);
        if !shared.unless_draining(free).await {
            return;
        }
        watch.take_changed();
        if let Some(lowest) = watch.take_lowest() {
            cursor = cursor.min(lowest);
        }
        let n = slots.available_permits().clamp(1, LEASES_MAX);
        let leased = match lease(&shared, &kind, due.clone().from_key(cursor.clone()), n).await {
            Ok(leased) => leased,
            Err(error) => {
                if !shared.pause(&mut failures, &error).await {
                    return;
                }
                continue;
            }
        };
        failures = 0;
        cursor = leased.cursor;
        let was_full = leased.tasks.len() == n;
        for task in leased.tasks {
            let Ok(slot) = slots.clone().acquire_owned().await else {
                return;
            };
            start(&shared, &kind, task, slot);
        }
        if was_full {
            continue;
        }
        let next = leased.next_due_ms;
        let rest = async {
            match next {
                Some(due_ms) => {
                    drop(select(Box::pin(watch.changed()), clock.sleep_until_ms(due_ms)).await)
                }
                None => watch.changed().await,
            }
        };
        if !shared.unless_draining(rest).await {
            return;
        }
    }
}

#[derive(Clone)]
struct Leased {
    tasks: Vec<Task>,
    cursor: Bytes,
    next_due_ms: Option<i64>,
}

async fn lease(
    shared: &Shared,
    kind: &Arc<TaskKind>,
    waiting: KeyRange,
    n: usize,
) -> Result<Leased, Error> {
    let (node, is_shared) = (shared.node, shared.db.is_shared());
    let step = move |tx: Tx| {
        let (kind, waiting) = (kind.clone(), waiting.clone());
        async move {
            let ready =
                waiting.clone().before_key(DUE.key(&(kind.name, tx.now_ms().saturating_add(1))));
            let mut tasks = Vec::new();
            for ((_, due_ms, id), ()) in DUE.claim(&tx, ready, n).await? {
                DUE.delete(&tx, &(kind.name.to_owned(), due_ms, id))?;
                tasks.extend(lease_one(&tx, &kind, node, due_ms, id).await?);
            }
            let first = DUE.scan(&tx, waiting.clone(), 1, false).await?.pop();
            let next_due_ms = first.as_ref().map(|((_, due_ms, _), ())| *due_ms);
            let cursor = first
                .map_or_else(|| waiting.end.clone().unwrap_or_default(), |(key, ())| DUE.key(&key));
            // What is due and still there is held by others, who either take it or let go. In one process that is
            // told. A node that dies lets go silently, so then look again.
            let soon_ms = tx.now_ms().saturating_add(HELD_ELSEWHERE_MS);
            let next_due_ms = match next_due_ms {
                Some(due_ms) if due_ms > tx.now_ms() => Some(due_ms),
                Some(_) if is_shared => Some(soon_ms),
                _ => None,
            };
            Ok::<_, Error>(Leased { tasks, cursor, next_due_ms })
        }
    };
    shared.db.transact(step).await
}

async fn lease_one(
    tx: &Tx,
    kind: &TaskKind,
    node: u64,
    due_ms: i64,
    id: TaskId,
) -> Result<Option<Task>, Error> {
    let key = (kind.name.to_owned(), id);
    let row = TASKS.get(tx, &key).await?;
    let Some(mut row) = row.filter(|row| row.due_ms == due_ms && row.lease.is_none()) else {
        return Ok(None);
    };
    if kind.attempts_max > 0 && row.attempt >= kind.attempts_max {
        // Only a process that died while it ran can leave a task like this.
        row.last_error = Some("the process ended while the task ran".to_owned());
        TASKS.delete(tx, &key)?;
        DEAD.put(tx, &key, &row)?;
        return Ok(None);
    }
    let lease = Lease { node, token: tx.ids().u64() };
    row.attempt = row.attempt.saturating_add(1);
    row.lease = Some(lease);
    TASKS.put(tx, &key, &row)?;
    LEASED.put(tx, &(node, key.0, id), &())?;
    Ok(Some(Task {
        id,
        kind: kind.name,
        key: row.key,
        due_ms,
        payload: row.payload.into(),
        attempt: row.attempt,
        spawned_ms: row.spawned_ms,
        lease,
    }))
}

/// Counts a running task, whatever ends it.
struct Running(Arc<Shared>);

impl Running {
    fn new(shared: Arc<Shared>) -> Running {
        shared.running.send_modify(|running| *running += 1);
        Running(shared)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.send_modify(|running| *running = running.saturating_sub(1));
    }
}

fn start(shared: &Arc<Shared>, kind: &Arc<TaskKind>, task: Task, slot: OwnedSemaphorePermit) {
    let running = Running::new(shared.clone());
    let (shared, kind) = (shared.clone(), kind.clone());
    let env = shared.db.env().clone();
    env.spawn("task", async move {
        let settled = if shared.is_draining() {
            Settled::Released
        } else {
            let run = AssertUnwindSafe(async { (kind.run)(task.clone()).await }).catch_unwind();
            let ran = run.await.unwrap_or_else(|_| Err(TaskError::new("the handler panicked")));
            judge(&shared, &kind, &task, ran)
        };
        settle(&shared, &task, settled).await;
        drop((slot, running));
    });
}

fn judge(
    shared: &Shared,
    kind: &TaskKind,
    task: &Task,
    ran: Result<Outcome, TaskError>,
) -> Settled {
    let error = match ran {
        Ok(Outcome::Done) => return Settled::Done,
        Ok(Outcome::Again { due_ms, payload }) => return Settled::Again { due_ms, payload },
        Err(error) => error,
    };
    let is_last = error.is_final || (kind.attempts_max > 0 && task.attempt >= kind.attempts_max);
    tracing::debug!(kind = kind.name, task = %task.id, attempt = task.attempt, is_last, %error, "a task failed");
    let error = error.to_string();
    if is_last {
        return Settled::Dead { error };
    }
    let env = shared.db.env();
    let wait = env.jitter(kind.backoff.after(task.attempt));
    let wait_ms = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
    Settled::Failed { due_ms: env.clock.now_ms().saturating_add(wait_ms), error }
}

async fn settle(shared: &Shared, task: &Task, settled: Settled) {
    let change = TaskChange::settle(task, settled, false);
    until_done(shared, || {
        let change = &change;
        shared.db.transact(move |tx| async move { tx.change_task(change.clone()) })
    })
    .await;
}
