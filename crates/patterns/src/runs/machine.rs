//! Whether the machine has room for what nobody waits for.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use undercast_kernel::Env;

/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(250);
/// Less memory than this share is short.
const MEMORY_SHARE_MIN: f64 = 0.05;

pub(crate) struct Machine {
    env: Env,
    load_max: f64,
    looked: Mutex<Option<Duration>>,
    is_short: AtomicBool,
}

impl Machine {
    pub(crate) fn new(env: Env, load_max: f64) -> Self {
        Self { env, load_max, looked: Mutex::default(), is_short: AtomicBool::new(false) }
    }

    /// Whether candidates should rest.
    pub(crate) fn is_short(&self) -> bool {
        let now = self.env.clock.monotonic();
        if let Ok(mut looked) = self.looked.try_lock()
            && looked.is_none_or(|at| now.saturating_sub(at) >= LOOK)
        {
            *looked = Some(now);
            self.is_short.store(look(self.load_max), Ordering::Relaxed);
        }
        self.is_short.load(Ordering::Relaxed)
    }
}

/// Where the system does not tell, it is not short.
fn look(load_max: f64) -> bool {
    let memory = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| memory_share(&text));
    let load = std::fs::read_to_string("/proc/loadavg").ok().and_then(|text| runnable(&text));
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
    }
}
