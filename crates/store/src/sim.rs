//! A single-threaded executor in which nothing is left to chance but the seed.
//!
//! Which of the runnable tasks goes next is drawn from the seed; time stands still while anything can run, and jumps
//! to the next timer when nothing can. Two runs of the same code with the same seed are the same, step by step: [`Sim::trace`]
//! is a hash of all the choices. `tokio::sync` works here; `tokio::time` and its runtime do not.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use futures::future::BoxFuture;

use crate::env::{Clock, Env, Ids, Spawn};
use crate::error::lock;

/// Where the wall clock of every simulation starts: 2027-01-01T00:00:00Z.
const START_MS: i64 = 1_798_761_600_000;

/// A small random generator whose numbers never change between versions: splitmix64.
#[derive(Debug, Clone)]
pub struct SimRng(u64);

impl SimRng {
    pub fn new(seed: u64) -> SimRng {
        SimRng(seed)
    }

    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`, which must not be 0.
    pub fn below(&mut self, end: u64) -> u64 {
        self.next_u64() % end.max(1)
    }

    /// True once in `n` times.
    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

#[derive(Clone)]
pub struct Sim {
    world: Arc<World>,
}

struct World {
    state: Mutex<State>,
    /// Apart, because a task asks for ids while it runs.
    ids: Mutex<SimRng>,
}

struct State {
    rng: SimRng,
    trace: u64,
    steps: u64,
    now: Duration,
    /// What the wall clock was moved by hand.
    moved: Duration,
    next_task: u64,
    next_timer: u64,
    tasks: BTreeMap<u64, Arc<Task>>,
    ready: Vec<u64>,
    timers: BTreeMap<(Duration, u64), Waker>,
    wall_timers: BTreeMap<(i64, u64), Waker>,
}

impl State {
    fn wall_ms(&self) -> i64 {
        let since = i64::try_from((self.now + self.moved).as_millis()).unwrap_or(i64::MAX);
        START_MS.saturating_add(since)
    }

    fn note(&mut self, what: u64) {
        self.steps += 1;
        self.trace = (self.trace ^ what).wrapping_mul(0x0100_0000_01b3).rotate_left(23);
    }
}

struct Task {
    id: u64,
    world: std::sync::Weak<World>,
    future: Mutex<Option<BoxFuture<'static, ()>>>,
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        let Some(world) = self.world.upgrade() else {
            return;
        };
        let mut state = lock(&world.state);
        if state.tasks.contains_key(&self.id) && !state.ready.contains(&self.id) {
            state.ready.push(self.id);
        }
    }
}

impl Sim {
    pub fn new(seed: u64) -> Sim {
        let mut rng = SimRng::new(seed);
        let ids = SimRng::new(rng.next_u64());
        let state = State {
            rng,
            trace: seed,
            steps: 0,
            now: Duration::from_secs(1),
            moved: Duration::ZERO,
            next_task: 0,
            next_timer: 0,
            tasks: BTreeMap::new(),
            ready: Vec::new(),
            timers: BTreeMap::new(),
            wall_timers: BTreeMap::new(),
        };
        Sim { world: Arc::new(World { state: Mutex::new(state), ids: Mutex::new(ids) }) }
    }

    pub fn env(&self) -> Env {
        let parts = Arc::new(Parts(self.world.clone()));
        Env { clock: parts.clone(), ids: parts.clone(), spawn: parts }
    }

    /// A number from the seed: for the scenario's own choices.
    pub fn random(&self) -> u64 {
        lock(&self.world.state).rng.next_u64()
    }

    /// A hash of everything that was chosen so far.
    pub fn trace(&self) -> u64 {
        lock(&self.world.state).trace
    }

    /// How often a task ran or the time jumped.
    pub fn steps(&self) -> u64 {
        lock(&self.world.state).steps
    }

    /// Drops every task: what a crash does to a process.
    pub fn kill_all(&self) {
        let tasks = {
            let mut state = lock(&self.world.state);
            state.ready.clear();
            state.timers.clear();
            state.wall_timers.clear();
            std::mem::take(&mut state.tasks)
        };
        for task in tasks.into_values() {
            let future = lock(&task.future).take();
            drop(future);
        }
    }

    /// Runs `future` and everything that is spawned meanwhile until it is done. `None` if nothing can go on: a
    /// deadlock.
    pub fn try_block_on<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        let result = Arc::new(Mutex::new(None));
        let slot = result.clone();
        self.world.spawn(Box::pin(async move {
            let output = future.await;
            *lock(&slot) = Some(output);
        }));
        loop {
            if let Some(output) = lock(&result).take() {
                return Some(output);
            }
            match self.next() {
                Step::Run(task) => self.run(&task),
                Step::Wake(wakers) => wakers.into_iter().for_each(Waker::wake),
                Step::Stuck => return None,
            }
        }
    }

    /// Like [`Sim::try_block_on`], where a deadlock is a bug of the test.
    #[expect(clippy::panic, reason = "only tests run in a simulation, and this is their failure")]
    pub fn block_on<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> T {
        match self.try_block_on(future) {
            Some(output) => output,
            None => panic!("the simulation is stuck: no task can run and no timer is set"),
        }
    }

    fn next(&self) -> Step {
        let mut state = lock(&self.world.state);
        if !state.ready.is_empty() {
            let choices = state.ready.len() as u64;
            let pick = usize::try_from(state.rng.below(choices)).unwrap_or_default();
            let id = state.ready.swap_remove(pick);
            state.note(id);
            return match state.tasks.get(&id) {
                Some(task) => Step::Run(task.clone()),
                None => Step::Wake(Vec::new()),
            };
        }
        let next_timer = state.timers.keys().next().map(|(at, _)| *at);
        let wall_ms = state.wall_ms();
        let next_wall = state.wall_timers.keys().next().map(|(at_ms, _)| {
            let left_ms = u64::try_from(at_ms.saturating_sub(wall_ms)).unwrap_or_default();
            state.now + Duration::from_millis(left_ms)
        });
        let Some(next) = [next_timer, next_wall].into_iter().flatten().min() else {
            return Step::Stuck;
        };
        state.now = state.now.max(next);
        let now = state.now;
        state.note(u64::try_from(now.as_nanos()).unwrap_or_default());
        Step::Wake(due(&mut state))
    }

    fn run(&self, task: &Arc<Task>) {
        let Some(mut future) = lock(&task.future).take() else {
            return;
        };
        let waker = Waker::from(task.clone());
        match Pin::new(&mut future).poll(&mut Context::from_waker(&waker)) {
            Poll::Pending => *lock(&task.future) = Some(future),
            Poll::Ready(()) => {
                // Dropping it may wake others, so not under the lock.
                let ended = lock(&self.world.state).tasks.remove(&task.id);
                drop(ended);
            }
        }
    }
}

enum Step {
    Run(Arc<Task>),
    Wake(Vec<Waker>),
    Stuck,
}

/// Takes the timers whose moment has come.
fn due(state: &mut State) -> Vec<Waker> {
    let now = state.now;
    let wall_ms = state.wall_ms();
    let later = state.timers.split_off(&(now + Duration::from_nanos(1), 0));
    let mut wakers: Vec<Waker> =
        std::mem::replace(&mut state.timers, later).into_values().collect();
    let later = state.wall_timers.split_off(&(wall_ms.saturating_add(1), 0));
    wakers.extend(std::mem::replace(&mut state.wall_timers, later).into_values());
    wakers
}

impl World {
    fn spawn(self: &Arc<Self>, future: BoxFuture<'static, ()>) {
        let mut state = lock(&self.state);
        let id = state.next_task;
        state.next_task += 1;
        let task = Task { id, world: Arc::downgrade(self), future: Mutex::new(Some(future)) };
        state.tasks.insert(id, Arc::new(task));
        state.ready.push(id);
    }
}

struct Parts(Arc<World>);

enum When {
    Monotonic(Duration),
    Wall(i64),
}

struct Timer {
    world: Arc<World>,
    when: When,
    registered: Option<u64>,
}

impl Timer {
    fn forget(&mut self, state: &mut State) {
        let Some(id) = self.registered.take() else {
            return;
        };
        match self.when {
            When::Monotonic(at) => state.timers.remove(&(at, id)),
            When::Wall(at_ms) => state.wall_timers.remove(&(at_ms, id)),
        };
    }
}

impl Future for Timer {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        let world = this.world.clone();
        let mut state = lock(&world.state);
        this.forget(&mut state);
        let is_due = match this.when {
            When::Monotonic(at) => at <= state.now,
            When::Wall(at_ms) => at_ms <= state.wall_ms(),
        };
        if is_due {
            return Poll::Ready(());
        }
        let id = state.next_timer;
        state.next_timer += 1;
        this.registered = Some(id);
        let waker = context.waker().clone();
        match this.when {
            When::Monotonic(at) => state.timers.insert((at, id), waker),
            When::Wall(at_ms) => state.wall_timers.insert((at_ms, id), waker),
        };
        Poll::Pending
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        let world = self.world.clone();
        self.forget(&mut lock(&world.state));
    }
}

impl Clock for Parts {
    fn now_ms(&self) -> i64 {
        lock(&self.0.state).wall_ms()
    }

    fn monotonic(&self) -> Duration {
        lock(&self.0.state).now
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let at = lock(&self.0.state).now.saturating_add(duration);
        Box::pin(Timer { world: self.0.clone(), when: When::Monotonic(at), registered: None })
    }

    fn sleep_until_ms(&self, wall_ms: i64) -> BoxFuture<'static, ()> {
        Box::pin(Timer { world: self.0.clone(), when: When::Wall(wall_ms), registered: None })
    }

    fn advance(&self, duration: Duration) {
        let wakers = {
            let mut state = lock(&self.0.state);
            state.moved = state.moved.saturating_add(duration);
            due(&mut state)
        };
        wakers.into_iter().for_each(Waker::wake);
    }
}

impl Ids for Parts {
    fn fill(&self, buf: &mut [u8]) {
        let mut rng = lock(&self.0.ids);
        for chunk in buf.chunks_mut(8) {
            let random = rng.next_u64().to_le_bytes();
            for (to, from) in chunk.iter_mut().zip(random) {
                *to = from;
            }
        }
    }
}

impl Spawn for Parts {
    fn spawn(&self, _name: &'static str, future: BoxFuture<'static, ()>) {
        self.0.spawn(future);
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;

    fn scenario(seed: u64) -> (Vec<u64>, u64, Duration) {
        let sim = Sim::new(seed);
        let env = sim.env();
        let order = sim.block_on(async move {
            let (sender, mut receiver) = mpsc::unbounded_channel();
            for n in 0..10u64 {
                let (sender, clock) = (sender.clone(), env.clock.clone());
                env.spawn("sleeper", async move {
                    clock.sleep(Duration::from_secs(n / 3)).await;
                    let _ = sender.send(n);
                });
            }
            drop(sender);
            let mut order = Vec::new();
            while let Some(n) = receiver.recv().await {
                order.push(n);
            }
            order
        });
        (order, sim.trace(), sim.env().clock.monotonic())
    }

    #[test]
    fn the_same_seed_is_the_same_run() {
        let (order, trace, time) = scenario(7);
        assert_eq!((order.clone(), trace, time), scenario(7));
        assert_eq!(time, Duration::from_secs(4));
        assert!((0..20).any(|seed| scenario(seed).0 != order), "other seeds run otherwise");
    }

    #[test]
    fn moving_the_wall_clock_wakes_who_waits_for_it() {
        let sim = Sim::new(1);
        let env = sim.env();
        sim.block_on(async move {
            let later_ms = env.clock.now_ms() + 3 * 86_400_000;
            let clock = env.clock.clone();
            env.spawn("mover", async move { clock.advance(Duration::from_secs(3 * 86_400)) });
            env.clock.sleep_until_ms(later_ms).await;
            assert!(env.clock.now_ms() >= later_ms);
            assert_eq!(env.clock.monotonic(), Duration::from_secs(1));
        });
    }

    #[test]
    fn a_deadlock_is_told() {
        let sim = Sim::new(1);
        assert_eq!(sim.try_block_on(std::future::pending::<()>()), None);
    }
}
