//! The embedded store: optimistic transactions over one engine, committed in groups.
//!
//! A transaction reads a published view and buffers its writes. Commits go through one queue; the writer
//! takes what waits there, validates each in order against what was committed since its view, applies the
//! accepted ones as one batch with one sync, *then* publishes a new view, marks the watches and answers.
//! So nobody ever reads what is not on disk yet.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use foldhash::fast::RandomState;
use futures::FutureExt;
use futures::future::{BoxFuture, ready};
use tokio::sync::{mpsc, oneshot};

use crate::backend::{Attempt, Backend, Before, Changes};
use crate::db::Durability;
use crate::engine::{Engine, Pair, View, Write};
use crate::env::Env;
use crate::error::{Error, lock};
use crate::key::KeyRange;
use crate::watch::Watches;

/// The first byte of a key in the engine.
const ROW: u8 = 1;
const COUNTER: u8 = 2;

const GROUP_COMMITS_MAX: usize = 512;
const GROUP_BYTES_MAX: usize = 16 << 20;
/// How long written data may stay without a sync under `Durability::Interval`.
const SYNC_INTERVAL: Duration = Duration::from_millis(100);

fn physical(space: u8, key: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(key.len() + 1);
    out.push(space);
    out.extend_from_slice(key);
    out.into()
}

fn physical_range(range: &KeyRange) -> KeyRange {
    let end =
        range.end.as_ref().map_or_else(|| Bytes::from_static(&[ROW + 1]), |end| physical(ROW, end));
    KeyRange { start: physical(ROW, &range.start), end: Some(end) }
}

pub(crate) struct Local {
    core: Arc<Core>,
    /// None where commits are done in the caller's task, and once the store is closed. Not in the core, because
    /// the writer holds that, and ends when the last sender is gone.
    queue: Mutex<Option<mpsc::UnboundedSender<Pending>>>,
}

struct Core {
    env: Env,
    engine: Arc<dyn Engine>,
    durability: Durability,
    watches: Arc<Watches>,
    state: Mutex<State>,
    /// One group at a time, where commits are done in the caller's task.
    writing: Mutex<()>,
    /// Why the store stopped acknowledging, for good.
    failed: OnceLock<Error>,
    dirty: AtomicBool,
    closed: tokio::sync::watch::Sender<bool>,
}

struct State {
    view: Arc<dyn View>,
    version: u64,
    /// When a key was last committed, for as long as an open transaction is older.
    recent: HashMap<Bytes, u64, RandomState>,
    log: VecDeque<(u64, Vec<Bytes>)>,
    /// How many open transactions read a version.
    open: BTreeMap<u64, usize>,
    /// Rows claimed by an open transaction.
    claimed: HashMap<Bytes, u64, RandomState>,
    next_owner: u64,
}

struct Pending {
    changes: Changes,
    hold: Arc<Hold>,
    reply: oneshot::Sender<Result<Before, Error>>,
}

struct Accepted {
    reply: oneshot::Sender<Result<Before, Error>>,
    before: Before,
    hold: Arc<Hold>,
}

/// What a group of commits comes to.
#[derive(Default)]
struct Group {
    writes: BTreeMap<Bytes, Option<Bytes>>,
    counters: BTreeMap<Bytes, i64>,
    accepted: Vec<Accepted>,
    rejected: Vec<(oneshot::Sender<Result<Before, Error>>, Error, Arc<Hold>)>,
}

impl Local {
    pub(crate) fn open(
        engine: Arc<dyn Engine>,
        durability: Durability,
        env: Env,
    ) -> Result<Local, Error> {
        let state = State {
            view: engine.view()?,
            version: 0,
            recent: HashMap::default(),
            log: VecDeque::new(),
            open: BTreeMap::new(),
            claimed: HashMap::default(),
            next_owner: 0,
        };
        let core = Arc::new(Core {
            env: env.clone(),
            engine,
            durability,
            watches: Arc::new(Watches::default()),
            state: Mutex::new(state),
            writing: Mutex::new(()),
            failed: OnceLock::new(),
            dirty: AtomicBool::new(false),
            closed: tokio::sync::watch::Sender::new(false),
        });
        let queue = (!core.engine.is_immediate()).then(|| {
            let (sender, receiver) = mpsc::unbounded_channel();
            env.spawn("store writer", write_groups(core.clone(), receiver));
            sender
        });
        Ok(Local { core, queue: Mutex::new(queue) })
    }

    fn attempt(&self) -> LocalAttempt {
        self.core.begin(lock(&self.queue).clone())
    }
}

/// The writer: ends when the queue is closed and empty.
async fn write_groups(core: Arc<Core>, mut queue: mpsc::UnboundedReceiver<Pending>) {
    while let Some(first) = queue.recv().await {
        let mut bytes = first.changes.bytes();
        let mut pending = vec![first];
        while pending.len() < GROUP_COMMITS_MAX && bytes < GROUP_BYTES_MAX {
            let Ok(next) = queue.try_recv() else { break };
            bytes += next.changes.bytes();
            pending.push(next);
        }
        let (version, mut group) = core.prepare(pending);
        let writes = group.take_writes();
        let sync = core.durability == Durability::Fsync;
        let applied = match writes.is_empty() {
            true => Ok(()),
            false => core.engine.apply(writes, sync).await,
        };
        core.publish(version, group, applied);
        core.sync_soon();
    }
    if core.durability != Durability::Fsync && core.failed.get().is_none() {
        let _ = core.engine.sync().await;
    }
    lock(&core.state).view = Arc::new(Closed);
    core.engine.close().await;
    core.closed.send_replace(true);
}

impl Changes {
    fn bytes(&self) -> usize {
        self.writes
            .iter()
            .map(|(key, value)| key.len() + value.as_ref().map_or(0, Bytes::len))
            .sum()
    }
}

impl Group {
    fn take_writes(&mut self) -> Vec<Write> {
        let rows = self.writes.iter().map(|(key, value)| (physical(ROW, key), value.clone()));
        let counters = self.counters.iter().map(|(key, sum)| {
            let value = (*sum != 0).then(|| Bytes::copy_from_slice(&sum.to_be_bytes()));
            (physical(COUNTER, key), value)
        });
        rows.chain(counters).collect()
    }
}

fn read_sum(view: &dyn View, key: &[u8]) -> Result<i64, Error> {
    let Some(value) = view.get(&physical(COUNTER, key))? else {
        return Ok(0);
    };
    decode_sum(&value)
}

fn decode_sum(value: &[u8]) -> Result<i64, Error> {
    let bytes = value.try_into().map_err(|_| Error::corrupt("a counter is not eight bytes"))?;
    Ok(i64::from_be_bytes(bytes))
}

impl State {
    /// The first key that forbids the commit.
    fn conflict(&self, pending: &Pending) -> Option<Bytes> {
        let changed = |key: &&Bytes| {
            self.recent.get(*key).is_some_and(|version| *version > pending.hold.version)
        };
        let held =
            |key: &&Bytes| self.claimed.get(*key).is_some_and(|owner| *owner != pending.hold.owner);
        let reads = pending.changes.reads.iter().find(changed);
        reads.or_else(|| pending.changes.writes.keys().find(held)).cloned()
    }

    fn forget_old(&mut self) {
        let oldest = self.open.keys().next().copied().unwrap_or(self.version);
        while self.log.front().is_some_and(|(version, _)| *version <= oldest) {
            let Some((version, keys)) = self.log.pop_front() else {
                return;
            };
            for key in keys {
                if self.recent.get(&key) == Some(&version) {
                    self.recent.remove(&key);
                }
            }
        }
    }
}

impl Core {
    /// Validates each commit in order, answers those in conflict, and adds up the others.
    fn prepare(&self, pending: Vec<Pending>) -> (u64, Group) {
        let mut group = Group::default();
        let mut state = lock(&self.state);
        let version = state.version + 1;
        let mut touched = Vec::new();
        for pending in pending {
            if let Some(error) = self.failed.get() {
                group.rejected.push((pending.reply, error.clone(), pending.hold));
            } else if let Some(key) = state.conflict(&pending) {
                group.rejected.push((pending.reply, Error::conflict(key), pending.hold));
            } else {
                match group.add(&*state.view, pending.changes) {
                    Ok((keys, before)) => {
                        for key in keys {
                            state.recent.insert(key.clone(), version);
                            touched.push(key);
                        }
                        group.accepted.push(Accepted {
                            reply: pending.reply,
                            before,
                            hold: pending.hold,
                        });
                    }
                    Err(error) => group.rejected.push((pending.reply, error, pending.hold)),
                }
            }
        }
        if !touched.is_empty() {
            state.log.push_back((version, touched));
        }
        drop(state);
        // Only now: letting go of a hold takes the lock of the state.
        for (reply, error, hold) in group.rejected.drain(..) {
            let _ = reply.send(Err(error));
            drop(hold);
        }
        (version, group)
    }

    fn publish(&self, version: u64, group: Group, applied: Result<(), Error>) {
        let published = applied.and_then(|()| self.engine.view());
        let view = match published {
            Ok(view) => view,
            Err(error) => {
                tracing::error!(%error, "the store failed and acknowledges nothing from now on");
                let error = self.failed.get_or_init(|| error).clone();
                for accepted in group.accepted {
                    let _ = accepted.reply.send(Err(error.clone()));
                }
                return;
            }
        };
        let old = {
            let mut state = lock(&self.state);
            state.version = version;
            let old = std::mem::replace(&mut state.view, view);
            state.forget_old();
            old
        };
        // The last look at an old view may free a lot; nobody should wait for that.
        drop(old);
        let rows = group.writes.iter().map(|(key, value)| (key, value.is_some()));
        self.watches.mark(rows.chain(group.counters.keys().map(|key| (key, true))));
        for accepted in group.accepted {
            accepted.hold.committed.store(true, SeqCst);
            let _ = accepted.reply.send(Ok(accepted.before));
        }
    }

    /// Under `Durability::Interval`, sees to it that what was just written is synced soon.
    fn sync_soon(self: &Arc<Self>) {
        if self.durability != Durability::Interval || self.dirty.swap(true, SeqCst) {
            return;
        }
        let core = self.clone();
        self.env.spawn("store sync", async move {
            core.env.clock.sleep(SYNC_INTERVAL).await;
            core.dirty.store(false, SeqCst);
            if let Err(error) = core.engine.sync().await {
                tracing::error!(%error, "the store failed and acknowledges nothing from now on");
                let _ = core.failed.set(error);
            }
        });
    }

    fn check(&self) -> Result<(), Error> {
        self.failed.get().map_or(Ok(()), |error| Err(error.clone()))
    }

    fn begin(self: &Arc<Self>, queue: Option<mpsc::UnboundedSender<Pending>>) -> LocalAttempt {
        let mut state = lock(&self.state);
        let version = state.version;
        *state.open.entry(version).or_default() += 1;
        state.next_owner += 1;
        let hold = Hold {
            core: self.clone(),
            version,
            owner: state.next_owner,
            claims: Mutex::new(Vec::new()),
            committed: AtomicBool::new(false),
        };
        LocalAttempt { view: state.view.clone(), hold: Arc::new(hold), queue }
    }

    async fn commit(&self, attempt: &LocalAttempt, changes: Changes) -> Result<Before, Error> {
        let (reply, answer) = oneshot::channel();
        let pending = Pending { changes, hold: attempt.hold.clone(), reply };
        if self.engine.is_immediate() {
            self.commit_here(pending);
        } else {
            let closed = || Error::Closed { what: "store" };
            attempt.queue.as_ref().ok_or_else(closed)?.send(pending).map_err(|_| closed())?;
        }
        answer.await.unwrap_or(Err(Error::Closed { what: "store" }))
    }

    fn commit_here(&self, pending: Pending) {
        let _one_at_a_time = lock(&self.writing);
        let (version, mut group) = self.prepare(vec![pending]);
        if group.accepted.is_empty() {
            return;
        }
        let applied = self.engine.apply(group.take_writes(), true).now_or_never();
        self.publish(
            version,
            group,
            applied.unwrap_or_else(|| Err(Error::unavailable("the engine waits"))),
        );
    }
}

impl Group {
    /// Adds one commit; returns the keys that it changes and what they held before.
    fn add(&mut self, view: &dyn View, changes: Changes) -> Result<(Vec<Bytes>, Before), Error> {
        let mut before = Before::new();
        if changes.want_before {
            for key in changes.writes.keys() {
                let value = match self.writes.get(key) {
                    Some(value) => value.clone(),
                    None => view.get(&physical(ROW, key))?,
                };
                before.push((key.clone(), value));
            }
        }
        let mut counters = Vec::new();
        for (key, add) in &changes.adds {
            let sum = match (add.reset, self.counters.get(key)) {
                (true, _) => 0,
                (false, Some(sum)) => *sum,
                (false, None) => read_sum(view, key)?,
            };
            counters.push((key.clone(), sum.wrapping_add(add.delta)));
        }
        self.counters.extend(counters);
        let keys = changes.writes.keys().cloned().collect();
        self.writes.extend(changes.writes);
        Ok((keys, before))
    }
}

impl Backend for Local {
    fn begin(&self) -> BoxFuture<'_, Result<Arc<dyn Attempt>, Error>> {
        ready(Ok(Arc::new(self.attempt()) as Arc<dyn Attempt>)).boxed()
    }

    fn watches(&self) -> &Arc<Watches> {
        &self.core.watches
    }

    fn clear(&self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            loop {
                let attempt = self.attempt();
                let page = attempt.range_now(&KeyRange::all(), 4096, false)?;
                let counters = KeyRange::prefix(&[COUNTER][..]);
                let counters = attempt.view.range(&counters, 4096, false)?;
                if page.is_empty() && counters.is_empty() {
                    return Ok(());
                }
                let reset = crate::backend::Add { reset: true, delta: 0 };
                let changes = Changes {
                    writes: page.into_iter().map(|(key, _)| (key, None)).collect(),
                    adds: counters.into_iter().map(|(key, _)| (key.slice(1..), reset)).collect(),
                    ..Changes::default()
                };
                match self.core.commit(&attempt, changes).await {
                    // A row is claimed just now; it will be free soon.
                    Err(Error::Conflict { .. }) => {
                        self.core.env.clock.sleep(Duration::from_millis(1)).await
                    }
                    other => drop(other?),
                }
            }
        })
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let queue = lock(&self.queue).take();
            if queue.is_some() {
                drop(queue);
                let mut closed = self.core.closed.subscribe();
                let _ = closed.wait_for(|closed| *closed).await;
            }
        })
    }
}

struct LocalAttempt {
    view: Arc<dyn View>,
    hold: Arc<Hold>,
    queue: Option<mpsc::UnboundedSender<Pending>>,
}

/// What a closed store shows.
struct Closed;

impl View for Closed {
    fn get(&self, _key: &[u8]) -> Result<Option<Bytes>, Error> {
        Err(Error::Closed { what: "store" })
    }

    fn range(&self, _range: &KeyRange, _limit: usize, _reverse: bool) -> Result<Vec<Pair>, Error> {
        Err(Error::Closed { what: "store" })
    }
}

/// What an attempt holds in the state, until it and its commit in the queue are gone.
struct Hold {
    core: Arc<Core>,
    version: u64,
    owner: u64,
    claims: Mutex<Vec<Bytes>>,
    committed: AtomicBool,
}

impl LocalAttempt {
    fn range_now(&self, range: &KeyRange, limit: usize, reverse: bool) -> Result<Vec<Pair>, Error> {
        let rows = self.view.range(&physical_range(range), limit, reverse)?;
        Ok(rows.into_iter().map(|(key, value)| (key.slice(1..), value)).collect())
    }

    fn claim_now(
        &self,
        mut range: KeyRange,
        n: usize,
        except: &[Bytes],
    ) -> Result<Vec<Pair>, Error> {
        let mut out = Vec::new();
        while out.len() < n {
            let asked = n - out.len() + 16;
            let page = self.range_now(&range, asked, false)?;
            let Some((last, _)) = page.last() else { break };
            range = range.after_key(last);
            let was_full = page.len() == asked;
            let mut state = lock(&self.hold.core.state);
            for (key, value) in page {
                let is_gone =
                    state.recent.get(&key).is_some_and(|version| *version > self.hold.version);
                if out.len() == n
                    || is_gone
                    || state.claimed.contains_key(&key)
                    || except.contains(&key)
                {
                    continue;
                }
                state.claimed.insert(key.clone(), self.hold.owner);
                lock(&self.hold.claims).push(key.clone());
                out.push((key, value));
            }
            if !was_full {
                break;
            }
        }
        Ok(out)
    }
}

impl Attempt for LocalAttempt {
    fn get<'a>(&'a self, key: &'a Bytes) -> BoxFuture<'a, Result<Option<Bytes>, Error>> {
        ready(self.view.get(&physical(ROW, key))).boxed()
    }

    fn range<'a>(
        &'a self,
        range: KeyRange,
        limit: usize,
        reverse: bool,
    ) -> BoxFuture<'a, Result<Vec<Pair>, Error>> {
        ready(self.range_now(&range, limit, reverse)).boxed()
    }

    fn sum<'a>(&'a self, key: &'a Bytes) -> BoxFuture<'a, Result<i64, Error>> {
        ready(read_sum(&*self.view, key)).boxed()
    }

    fn counters<'a>(
        &'a self,
        start: Bytes,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<(Bytes, i64)>, Error>> {
        let range = KeyRange::prefix(&[COUNTER][..]).from_key(physical(COUNTER, &start));
        let read = || {
            let pairs = self.view.range(&range, limit, false)?;
            pairs.into_iter().map(|(key, sum)| Ok((key.slice(1..), decode_sum(&sum)?))).collect()
        };
        ready(read()).boxed()
    }

    fn claim<'a>(
        &'a self,
        range: KeyRange,
        n: usize,
        except: Vec<Bytes>,
    ) -> BoxFuture<'a, Result<Vec<Pair>, Error>> {
        ready(self.hold.core.check().and_then(|()| self.claim_now(range, n, &except))).boxed()
    }

    fn commit<'a>(&'a self, changes: Changes) -> BoxFuture<'a, Result<Before, Error>> {
        Box::pin(self.hold.core.commit(self, changes))
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let claims = std::mem::take(&mut *lock(&self.claims));
        {
            let mut state = lock(&self.core.state);
            if let Some(count) = state.open.get_mut(&self.version) {
                *count -= 1;
                if *count == 0 {
                    state.open.remove(&self.version);
                }
            }
            for key in &claims {
                state.claimed.remove(key);
            }
            state.forget_old();
        }
        if !self.committed.load(SeqCst) {
            // Who skipped these rows may have them now.
            self.core.watches.mark(claims.iter().map(|key| (key, true)));
        }
    }
}
