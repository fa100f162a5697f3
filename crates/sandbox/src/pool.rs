//! Who runs where: warm instances by function key, a cap for the host, reaping of idle ones.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};

use crate::answer::{Answer, AnswerBody};
use crate::client::RuntimeFiles;
use crate::clock::{self, Moment};
use crate::error::Error;
use crate::function::{Function, Host, Invocation};
use crate::instance::{Instance, Job, Phase, Reply};
use crate::isolation::Isolation;
use crate::limits::SETTLE;
use crate::memory::Cgroups;
use crate::options::Options;
use crate::process;
use crate::runtimes::Runtimes;

/// Runs functions. Cheap to clone; when the last clone is gone every process is ended.
#[derive(Clone)]
pub struct Sandbox {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) options: Options,
    pub(crate) isolation: Isolation,
    pub(crate) runtimes: Runtimes,
    pub(crate) files: RuntimeFiles,
    pub(crate) cgroups: Arc<Cgroups>,
    state: Mutex<State>,
    next_id: AtomicU64,
    /// An idle instance appeared where there was none.
    reap: Arc<Notify>,
    reaper_started: AtomicBool,
    /// An instance is gone.
    changed: Notify,
}

#[derive(Default)]
struct State {
    pools: HashMap<String, Pool>,
    all: HashMap<u64, Arc<Instance>>,
    /// Taken by an invocation that has not been answered.
    claimed: HashSet<u64>,
    count: usize,
    draining: bool,
    reaper_sleeps: bool,
}

#[derive(Default)]
struct Pool {
    /// Last in, first out: the warmest runs, the coldest is reaped.
    idle: Vec<(Arc<Instance>, Moment)>,
    /// Answered, not asked for the next event yet.
    settling: Vec<Arc<Instance>>,
}

/// One process, as shown to operators.
#[derive(Debug, Clone)]
pub struct InstanceInfo {
    pub id: u64,
    pub pid: Option<u32>,
    pub function_arn: String,
    pub key: String,
    pub log_stream: String,
    pub state: InstanceState,
    pub memory_mb: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InstanceState {
    Starting,
    Idle,
    Busy,
    Stopping,
}

enum Place {
    Idle(Arc<Instance>),
    Settling(Arc<Instance>),
    /// A place is reserved; the process is to be started.
    New,
}

impl Sandbox {
    /// Prepares the working area and finds out which isolation works here. Call inside a Tokio runtime.
    ///
    /// # Errors
    /// The working area cannot be written.
    pub fn new(options: Options) -> Result<Self, Error> {
        let files = RuntimeFiles::prepare(&options)?;
        let cgroups = Cgroups::find(options.background.as_ref());
        let isolation = process::probe(&options, &cgroups);
        tracing::info!(%isolation, "sandbox is ready");
        let runtimes = Runtimes::new(options.search_path.clone());
        Ok(Self {
            inner: Arc::new(Inner {
                options,
                isolation,
                runtimes,
                files,
                cgroups: Arc::new(cgroups),
                state: Mutex::default(),
                next_id: AtomicU64::new(1),
                reap: Arc::default(),
                reaper_started: AtomicBool::new(false),
                changed: Notify::new(),
            }),
        })
    }

    /// What is active, what is missing and why.
    #[must_use]
    pub fn isolation(&self) -> &Isolation {
        &self.inner.isolation
    }

    /// Whether functions of this runtime can run here; the error says why not.
    ///
    /// # Errors
    /// [`Error::RuntimeUnavailable`].
    pub async fn runtime_available(&self, runtime: &str) -> Result<(), Error> {
        self.inner.runtimes.find(runtime).await.map(drop)
    }

    /// Runs one event. Dropping the future does not stop the function, as in Lambda.
    ///
    /// # Errors
    /// [`Error::Throttled`] when the host is full; other errors are failures of ours. What goes wrong inside the
    /// function is an [`Answer`].
    pub async fn invoke(
        &self,
        function: &Arc<Function>,
        invocation: Invocation,
        host: &Arc<dyn Host>,
    ) -> Result<Answer, Error> {
        let invocation = Arc::new(invocation);
        let (mut fresh, mut last_try) = (false, false);
        // An instance that dies before it takes the event, or that does not ask for it in time, is replaced.
        for _ in 0..8 {
            let (instance, settling) =
                self.inner.acquire(function, host, fresh || last_try).await?;
            match run(&instance, &invocation, settling, last_try).await {
                Reply::Answer(answer) => return Ok(*answer),
                Reply::NotTaken => {
                    self.inner.unclaim(&instance);
                    fresh = true;
                }
                Reply::InitFailed => last_try = true,
                Reply::LaunchFailed(reason) => return Err(Error::Launch(reason)),
            }
        }
        Err(Error::Launch("instances end before they take an event".to_owned()))
    }

    /// Starts up to `n` instances that wait for events; those that are warm already count.
    ///
    /// # Errors
    /// As [`Self::invoke`]; stops at the first error. An instance that fails to initialize is an error, too.
    pub async fn prewarm(
        &self,
        function: &Arc<Function>,
        n: usize,
        host: &Arc<dyn Host>,
    ) -> Result<(), Error> {
        let warm = self.inner.warm(&function.key);
        let mut starting = Vec::new();
        for _ in warm..n {
            self.inner.reserve()?;
            starting.push(self.inner.start(function, host, false).await?);
        }
        for instance in starting {
            if !instance.initialized().await {
                return Err(Error::Launch("the init phase failed".to_owned()));
            }
        }
        Ok(())
    }

    /// Code or configuration changed: idle instances of `key` are stopped, busy ones when they have answered.
    pub fn retire(&self, key: &str) {
        let pool = {
            let mut state = self.inner.lock();
            for instance in state.all.values().filter(|instance| instance.function.key == key) {
                instance.retired.store(true, Ordering::Relaxed);
            }
            state.pools.remove(key)
        };
        if let Some(pool) = pool {
            for (instance, _) in pool.idle {
                self.inner.release(&instance);
            }
        }
    }

    /// Takes no more work, lets the running finish, and returns when every process is gone.
    pub async fn drain(&self) {
        let idle: Vec<_> = {
            let mut state = self.inner.lock();
            state.draining = true;
            let pools = std::mem::take(&mut state.pools);
            let mut idle: Vec<_> =
                pools.into_values().flat_map(|pool| pool.idle).map(|(i, _)| i).collect();
            idle.extend(state.all.values().filter(|i| !state.claimed.contains(&i.id)).cloned());
            idle
        };
        for instance in idle {
            self.inner.release(&instance);
        }
        loop {
            let changed = self.inner.changed.notified();
            if self.inner.lock().all.is_empty() {
                return;
            }
            changed.await;
        }
    }

    /// Every process.
    #[must_use]
    pub fn instances(&self) -> Vec<InstanceInfo> {
        let all: Vec<_> = self.inner.lock().all.values().cloned().collect();
        let mut infos: Vec<_> = all.iter().map(|instance| instance.info()).collect();
        infos.sort_by_key(|info| info.id);
        infos
    }
}

impl Instance {
    fn info(&self) -> InstanceInfo {
        InstanceInfo {
            id: self.id,
            pid: self.meter.pid(),
            function_arn: self.function.arn.clone(),
            key: self.function.key.clone(),
            log_stream: self.journal.stream().to_owned(),
            state: match self.phase() {
                Phase::Starting => InstanceState::Starting,
                Phase::Idle | Phase::Settling => InstanceState::Idle,
                Phase::Busy => InstanceState::Busy,
                Phase::Dead => InstanceState::Stopping,
            },
            memory_mb: self.meter.now_mb(),
        }
    }
}

/// Ends an invocation when its time is over, also when nobody waits for it any more.
struct Timer {
    instance: Arc<Instance>,
    seq: u64,
    look: Moment,
    settled: bool,
}

impl Drop for Timer {
    fn drop(&mut self) {
        if self.settled || tokio::runtime::Handle::try_current().is_err() {
            return;
        }
        let (instance, seq, mut look) = (Arc::clone(&self.instance), self.seq, self.look);
        clock::spawn(async move {
            loop {
                clock::sleep_until(look).await;
                match instance.expire(seq, false) {
                    Some(again) => look = again,
                    None => return,
                }
            }
        });
    }
}

async fn run(
    instance: &Arc<Instance>,
    invocation: &Arc<Invocation>,
    settling: bool,
    last_try: bool,
) -> Reply {
    let (reply, mut answer) = oneshot::channel();
    let seq = instance.next_seq();
    let mut look = instance.first_look();
    if let Some(deadline) = invocation.deadline {
        look = look.min(Moment::now().after(deadline));
    }
    if settling {
        look = look.min(Moment::now().after(SETTLE));
    }
    let mut timer = Timer { instance: Arc::clone(instance), seq, look, settled: false };
    instance.offer(Job { seq, invocation: Arc::clone(invocation), reply, last_try });
    let reply = loop {
        tokio::select! {
            biased;
            reply = &mut answer => break reply.unwrap_or(Reply::NotTaken),
            () = clock::sleep_until(timer.look) => {
                // `None`: settled, and the reply is on its way.
                let again = instance.expire(seq, settling);
                timer.look = again.unwrap_or_else(|| Moment::now().after(Duration::from_secs(60)));
            }
        }
    };
    // A stream goes on after its answer: the timer stays behind.
    timer.settled =
        !matches!(&reply, Reply::Answer(a) if matches!(a.payload, AnswerBody::Stream(_)));
    reply
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A warm instance, or a new one. The flag says that it has not asked for its next event yet.
    async fn acquire(
        self: &Arc<Self>,
        function: &Arc<Function>,
        host: &Arc<dyn Host>,
        fresh: bool,
    ) -> Result<(Arc<Instance>, bool), Error> {
        match self.place(function, fresh)? {
            Place::Idle(instance) => Ok((instance, false)),
            Place::Settling(instance) => Ok((instance, true)),
            Place::New => Ok((self.start(function, host, true).await?, false)),
        }
    }

    fn place(&self, function: &Function, fresh: bool) -> Result<Place, Error> {
        let mut state = self.lock();
        if state.draining {
            return Err(Error::Gone);
        }
        let State { pools, claimed, .. } = &mut *state;
        if let Some(pool) = pools.get_mut(&function.key) {
            if let Some((instance, _)) = pool.idle.pop() {
                claimed.insert(instance.id);
                return Ok(Place::Idle(instance));
            }
            if let Some(instance) = pool.settling.pop().filter(|_| !fresh) {
                claimed.insert(instance.id);
                return Ok(Place::Settling(instance));
            }
        }
        self.take_place(&mut state)?;
        Ok(Place::New)
    }

    fn reserve(&self) -> Result<(), Error> {
        self.take_place(&mut self.lock())
    }

    /// Counts one more instance; at the cap, the instance that has been idle longest makes room.
    fn take_place(&self, state: &mut State) -> Result<(), Error> {
        let instances_max = self.options.instances_max;
        if state.count >= instances_max {
            let instance = evict(&mut state.pools).ok_or(Error::Throttled { instances_max })?;
            instance.stop.notify_one();
            if instance.counted.swap(false, Ordering::Relaxed) {
                state.count = state.count.saturating_sub(1);
            }
        }
        state.count += 1;
        Ok(())
    }

    /// Starts a process in a place that was reserved.
    async fn start(
        self: &Arc<Self>,
        function: &Arc<Function>,
        host: &Arc<dyn Host>,
        claim: bool,
    ) -> Result<Arc<Instance>, Error> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        if claim {
            self.lock().claimed.insert(id);
        }
        let started = process::start(self, id, function, host).await;
        let mut state = self.lock();
        match started {
            Ok(instance) => {
                // A process that died at once has been taken off the books already.
                if instance.counted.load(Ordering::Relaxed) {
                    state.all.insert(id, Arc::clone(&instance));
                }
                Ok(instance)
            }
            Err(error) => {
                state.claimed.remove(&id);
                state.count = state.count.saturating_sub(1);
                Err(error)
            }
        }
    }

    fn warm(&self, key: &str) -> usize {
        self.lock()
            .all
            .values()
            .filter(|i| i.function.key == key && i.phase() != Phase::Dead)
            .count()
    }

    /// The runtime of `instance` waits for an event.
    pub(crate) fn idle(self: &Arc<Self>, instance: &Arc<Instance>) {
        let mut state = self.lock();
        if state.claimed.contains(&instance.id) {
            // Somebody is about to offer it an invocation.
            return;
        }
        if state.draining || instance.retired.load(Ordering::Relaxed) {
            drop(state);
            self.release(instance);
            return;
        }
        let pool = state.pools.entry(instance.function.key.clone()).or_default();
        pool.settling.retain(|other| other.id != instance.id);
        if pool.idle.iter().all(|(other, _)| other.id != instance.id) {
            pool.idle.push((Arc::clone(instance), Moment::now()));
        }
        let wake = std::mem::take(&mut state.reaper_sleeps);
        drop(state);
        if wake {
            self.reap.notify_one();
        }
        if !self.reaper_started.swap(true, Ordering::Relaxed) {
            clock::spawn(reap(Arc::downgrade(self), self.options.idle));
        }
    }

    /// `instance` has answered and will ask for the next event soon.
    pub(crate) fn settling(&self, instance: &Arc<Instance>) {
        let mut state = self.lock();
        state.claimed.remove(&instance.id);
        if state.draining || instance.retired.load(Ordering::Relaxed) {
            return;
        }
        state
            .pools
            .entry(instance.function.key.clone())
            .or_default()
            .settling
            .push(Arc::clone(instance));
    }

    /// An invocation was withdrawn from `instance` before the process saw it.
    fn unclaim(self: &Arc<Self>, instance: &Arc<Instance>) {
        self.lock().claimed.remove(&instance.id);
        if instance.phase() == Phase::Idle {
            self.idle(instance);
        }
    }

    /// Stops an instance and forgets that it takes a place.
    pub(crate) fn release(&self, instance: &Instance) {
        instance.stop.notify_one();
        if instance.counted.swap(false, Ordering::Relaxed) {
            let mut state = self.lock();
            state.count = state.count.saturating_sub(1);
        }
    }

    /// The process of `instance` is gone.
    pub(crate) fn gone(&self, instance: &Instance) {
        let mut state = self.lock();
        if instance.counted.swap(false, Ordering::Relaxed) {
            state.count = state.count.saturating_sub(1);
        }
        state.all.remove(&instance.id);
        state.claimed.remove(&instance.id);
        if let Some(pool) = state.pools.get_mut(&instance.function.key) {
            pool.idle.retain(|(other, _)| other.id != instance.id);
            pool.settling.retain(|other| other.id != instance.id);
            if pool.idle.is_empty() && pool.settling.is_empty() {
                state.pools.remove(&instance.function.key);
            }
        }
        drop(state);
        self.changed.notify_waiters();
    }

    /// Stops what has been idle too long; answers when the next one will be.
    fn reap_now(&self, idle: Duration) -> Option<Moment> {
        let mut expired = Vec::new();
        let mut next: Option<Moment> = None;
        {
            let mut state = self.lock();
            for pool in state.pools.values_mut() {
                while let Some((_, since)) = pool.idle.first() {
                    let due = since.after(idle);
                    if !due.has_passed() {
                        next = Some(next.map_or(due, |n| n.min(due)));
                        break;
                    }
                    expired.push(pool.idle.remove(0).0);
                }
            }
            state.reaper_sleeps = next.is_none();
        }
        for instance in expired {
            self.release(&instance);
        }
        next
    }

    /// A directory of this instance in the working area.
    pub(crate) fn instance_dir(&self, id: u64) -> PathBuf {
        self.options.dir.join("instances").join(format!("{}-{id}", std::process::id()))
    }
}

/// The instance that has been idle longest; if there is none, one that has answered and is on its way to idle.
fn evict(pools: &mut HashMap<String, Pool>) -> Option<Arc<Instance>> {
    let oldest = pools
        .iter()
        .filter_map(|(key, pool)| pool.idle.first().map(|(_, since)| (*since, key.clone())))
        .min_by_key(|(since, _)| *since);
    match oldest.and_then(|(_, key)| pools.get_mut(&key)) {
        Some(pool) => Some(pool.idle.remove(0).0),
        None => pools.values_mut().find_map(|pool| pool.settling.pop()),
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        for instance in self.lock().all.values() {
            instance.stop.notify_one();
        }
        self.reap.notify_one();
    }
}

/// Sleeps until the oldest idle instance is due; with none, until there is one.
async fn reap(inner: std::sync::Weak<Inner>, idle: Duration) {
    loop {
        let Some(pool) = inner.upgrade() else { return };
        let wait = pool.reap_now(idle);
        match wait {
            Some(due) => {
                drop(pool);
                clock::sleep_until(due).await;
            }
            None => {
                // Held weakly while asleep, so that the last owner can go.
                let wake = Arc::clone(&pool.reap);
                drop(pool);
                wake.notified().await;
            }
        }
    }
}
