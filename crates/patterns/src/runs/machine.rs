//! Whether the machine has room for what nobody waits for.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use undercast_kernel::Env;

/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(250);
/// Less memory than this share is short.
const MEMORY_SHARE_MIN: f64 = 0.05;

/// What has to be left of the machine for candidates to run.
#[derive(Debug, Clone, Copy)]
pub struct Room {
    /// No more runnable processes for each processor than this.
    pub load_max: f64,
    /// At least this share of the processors' time was idle.
    pub idle_min: f64,
}

impl Default for Room {
    fn default() -> Self {
        Self { load_max: 8.0, idle_min: 0.05 }
    }
}

pub(crate) struct Machine {
    env: Env,
    room: Room,
    looked: Mutex<Option<Look>>,
    is_short: AtomicBool,
}

/// The processors' time up to a moment.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Ticks {
    idle: u64,
    all: u64,
}

struct Look {
    at: Duration,
    ticks: Ticks,
}

impl Machine {
    pub(crate) fn new(env: Env, room: Room) -> Self {
        Self { env, room, looked: Mutex::default(), is_short: AtomicBool::new(false) }
    }

    /// Whether candidates should rest.
    pub(crate) fn is_short(&self) -> bool {
        let now = self.env.clock.monotonic();
        if let Ok(mut looked) = self.looked.try_lock()
            && looked.as_ref().is_none_or(|look| now.saturating_sub(look.at) >= LOOK)
        {
            let ticks = read("/proc/stat", ticks).unwrap_or_default();
            let before = looked.replace(Look { at: now, ticks });
            let idle = before.and_then(|before| idle_share(before.ticks, ticks));
            let is_busy = idle.is_some_and(|idle| idle < self.room.idle_min);
            self.is_short.store(is_busy || is_full(self.room.load_max), Ordering::Relaxed);
        }
        self.is_short.load(Ordering::Relaxed)
    }
}

/// Where the system does not tell, it is not short.
fn read<T>(path: &str, take: impl Fn(&str) -> Option<T>) -> Option<T> {
    take(&std::fs::read_to_string(path).ok()?)
}

fn is_full(load_max: f64) -> bool {
    let memory = read("/proc/meminfo", memory_share);
    let load = read("/proc/loadavg", runnable);
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    let load = load.map(|runnable| runnable as f64 / processors as f64);
    memory.is_some_and(|share| share < MEMORY_SHARE_MIN) || load.is_some_and(|load| load > load_max)
}

/// `MemAvailable` over `MemTotal`.
fn memory_share(text: &str) -> Option<f64> {
    let field = |name: &str| -> Option<f64> {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim_start_matches(':').split_whitespace().next()?.parse().ok()
    };
    Some(field("MemAvailable")? / field("MemTotal")?)
}

/// The first line: `cpu`, then the time of all processors by its use; the fourth and fifth are idle and waiting.
fn ticks(text: &str) -> Option<Ticks> {
    let times = text.lines().next()?.strip_prefix("cpu ")?.split_whitespace();
    let times: Vec<u64> = times.map(str::parse).collect::<Result<_, _>>().ok()?;
    // Guests are counted in the first two.
    let all = times.iter().take(8).sum();
    Some(Ticks { idle: times.get(3)? + times.get(4)?, all })
}

#[expect(clippy::cast_precision_loss, reason = "a share")]
fn idle_share(before: Ticks, now: Ticks) -> Option<f64> {
    let all = now.all.saturating_sub(before.all);
    let idle = now.idle.saturating_sub(before.idle);
    (all > 0).then(|| idle as f64 / all as f64)
}

/// The fourth field: runnable, slash, all.
fn runnable(text: &str) -> Option<usize> {
    text.split_whitespace().nth(3)?.split('/').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_is_read() {
        assert_eq!(
            memory_share("MemTotal:  200 kB\nMemFree: 1 kB\nMemAvailable: 50 kB\n"),
            Some(0.25)
        );
        assert_eq!(runnable("0.40 0.44 0.41 3/512 1234"), Some(3));
        assert_eq!(runnable(""), None);
        let before = ticks("cpu  10 0 5 80 5 0 0 0 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n").unwrap();
        assert_eq!(before, Ticks { idle: 85, all: 100 });
        let now = ticks("cpu  80 0 30 85 5 0 0 0 70 0\n").unwrap();
        assert_eq!(idle_share(before, now), Some(0.05));
        assert_eq!(idle_share(now, now), None);
        assert_eq!(ticks("intr 1 2"), None);
    }
}
