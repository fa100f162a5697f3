//! Time, chance and spawning are arguments: everything above the engines asks an [`Env`], never the system.
//!
//! Code that must run in the simulator uses `tokio::sync` freely (it needs no runtime), but never
//! `tokio::time`, and `tokio::select!` only with `biased;` (without it the branch order is random).

use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use futures::future::{BoxFuture, Either, select};
use rand::rngs::StdRng;
use rand::{RngCore, SeedableRng};
use tokio::sync::watch;

use crate::error::lock;

pub trait Clock: Send + Sync + 'static {
    /// Wall clock in unix milliseconds. Can be moved by hand.
    fn now_ms(&self) -> i64;
    /// Never moved by hand. Its zero has no meaning.
    fn monotonic(&self) -> Duration;
    /// Waits on the monotonic time.
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()>;
    /// Waits on the wall time, and wakes when that is moved past the moment.
    fn sleep_until_ms(&self, wall_ms: i64) -> BoxFuture<'static, ()>;
    /// Moves the wall clock forward by hand.
    fn advance(&self, duration: Duration);
}

/// The number from 0 up to 1 that random bits stand for.
#[expect(clippy::cast_precision_loss, reason = "53 bits are what a float holds")]
pub fn fraction(random: u64) -> f64 {
    (random >> 11) as f64 / (1_u64 << 53) as f64
}

pub trait Ids: Send + Sync + 'static {
    fn fill(&self, buf: &mut [u8]);

    fn u64(&self) -> u64 {
        let mut buf = [0; 8];
        self.fill(&mut buf);
        u64::from_le_bytes(buf)
    }

    /// A number from 0 up to 1.
    fn fraction(&self) -> f64 {
        fraction(self.u64())
    }

    /// A version 4 UUID in its hyphenated form.
    fn uuid(&self) -> String {
        let mut buf = [0; 16];
        self.fill(&mut buf);
        let mut value = u128::from_be_bytes(buf);
        value &= !(0xf << 76) & !(0x3 << 62);
        value |= (0x4 << 76) | (0x2 << 62);
        let digits = hex::encode(value.to_be_bytes());
        let mut out = String::with_capacity(36);
        let mut rest = digits.as_str();
        for length in [8, 4, 4, 4] {
            let (part, more) = rest.split_at(length);
            out.push_str(part);
            out.push('-');
            rest = more;
        }
        out.push_str(rest);
        out
    }

    /// `n` lower case hexadecimal digits.
    fn hex(&self, n: usize) -> String {
        let mut buf = vec![0; n.div_ceil(2)];
        self.fill(&mut buf);
        let mut out = hex::encode(buf);
        out.truncate(n);
        out
    }

    /// `n` characters of `0-9a-z`, the alphabet of most AWS ids.
    fn alphanumeric(&self, n: usize) -> String {
        const ALPHABET: [u8; 36] = *b"0123456789abcdefghijklmnopqrstuvwxyz";
        let mut out = String::with_capacity(n);
        let mut buf = [0; 32];
        while out.len() < n {
            self.fill(&mut buf);
            // Bytes from 252 on would favour the first letters.
            for byte in buf.iter().filter(|byte| **byte < 252) {
                if out.len() < n
                    && let Some(letter) = ALPHABET.get(usize::from(byte % 36))
                {
                    out.push(char::from(*letter));
                }
            }
        }
        out
    }
}

pub trait Spawn: Send + Sync + 'static {
    fn spawn(&self, name: &'static str, future: BoxFuture<'static, ()>);
}

#[derive(Clone)]
pub struct Env {
    pub clock: Arc<dyn Clock>,
    pub ids: Arc<dyn Ids>,
    pub spawn: Arc<dyn Spawn>,
}

impl std::fmt::Debug for Env {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Env")
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the time is over")]
pub struct Elapsed;

impl Env {
    /// The real thing: the system's clocks, its random numbers, and tasks on the current tokio runtime.
    pub fn system() -> Env {
        Env {
            clock: Arc::new(SystemClock::new()),
            ids: Arc::new(SystemIds::new()),
            spawn: Arc::new(TokioSpawn),
        }
    }

    pub fn spawn(&self, name: &'static str, future: impl Future<Output = ()> + Send + 'static) {
        self.spawn.spawn(name, Box::pin(future));
    }

    /// Runs `future` for at most `duration` of monotonic time.
    pub async fn timeout<F: Future>(
        &self,
        duration: Duration,
        future: F,
    ) -> Result<F::Output, Elapsed> {
        futures::pin_mut!(future);
        match select(future, self.clock.sleep(duration)).await {
            Either::Left((output, _)) => Ok(output),
            Either::Right(((), _)) => Err(Elapsed),
        }
    }

    /// A duration between half of `duration` and `duration`.
    pub fn jitter(&self, duration: Duration) -> Duration {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let half = nanos / 2;
        Duration::from_nanos(half.saturating_add(self.ids.u64() % half.saturating_add(1)))
    }
}

/// Lets other tasks run. Works on any executor.
pub(crate) async fn yield_now() {
    let mut yielded = false;
    std::future::poll_fn(|context| {
        if yielded {
            return std::task::Poll::Ready(());
        }
        yielded = true;
        context.waker().wake_by_ref();
        std::task::Poll::Pending
    })
    .await;
}

struct SystemClock {
    origin: std::time::Instant,
    /// How far the wall clock was moved by hand, in milliseconds.
    offset_ms: watch::Sender<i64>,
}

impl SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that asks the system for the time"
    )]
    fn new() -> SystemClock {
        SystemClock { origin: std::time::Instant::now(), offset_ms: watch::Sender::new(0) }
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that asks the system for the time")]
fn system_now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    i64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(i64::MAX)
}

#[expect(clippy::disallowed_methods, reason = "the one place that waits on the system's timer")]
fn system_sleep(duration: Duration) -> impl Future<Output = ()> + Send + 'static {
    tokio::time::sleep(duration)
}

/// The wall clock can be set by others (time synchronisation, a laptop that slept), so a long wait looks again now and then.
const RECHECK: Duration = Duration::from_secs(3600);

impl Clock for SystemClock {
    fn now_ms(&self) -> i64 {
        system_now_ms().saturating_add(*self.offset_ms.borrow())
    }

    fn monotonic(&self) -> Duration {
        self.origin.elapsed()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(system_sleep(duration))
    }

    fn sleep_until_ms(&self, wall_ms: i64) -> BoxFuture<'static, ()> {
        let mut offset_ms = self.offset_ms.subscribe();
        Box::pin(async move {
            loop {
                let now_ms = system_now_ms().saturating_add(*offset_ms.borrow_and_update());
                let Ok(left_ms @ 1..) = u64::try_from(wall_ms.saturating_sub(now_ms)) else {
                    return;
                };
                let nap = Duration::from_millis(left_ms).min(RECHECK);
                let moved = offset_ms.changed();
                futures::pin_mut!(moved);
                select(moved, Box::pin(system_sleep(nap))).await;
            }
        })
    }

    fn advance(&self, duration: Duration) {
        let by_ms = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        self.offset_ms.send_modify(|offset_ms| *offset_ms = offset_ms.saturating_add(by_ms));
    }
}

struct SystemIds(Mutex<StdRng>);

impl SystemIds {
    fn new() -> SystemIds {
        SystemIds(Mutex::new(StdRng::from_os_rng()))
    }
}

impl Ids for SystemIds {
    fn fill(&self, buf: &mut [u8]) {
        lock(&self.0).fill_bytes(buf);
    }
}

struct TokioSpawn;

impl Spawn for TokioSpawn {
    #[expect(clippy::disallowed_methods, reason = "the one place that spawns on the runtime")]
    fn spawn(&self, _name: &'static str, future: BoxFuture<'static, ()>) {
        tokio::spawn(future);
    }
}
