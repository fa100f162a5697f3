//! How many requests a route, or an account, may get: token buckets on the clock's monotonic time.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Holds up to `burst` tokens and gains `rate` in a second.
#[derive(Debug)]
pub(crate) struct Bucket {
    rate: f64,
    burst: f64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    tokens: f64,
    at: Duration,
}

impl Bucket {
    /// Full at first.
    pub(crate) fn new(rate: f64, burst: f64, now: Duration) -> Self {
        Self { rate, burst, state: Mutex::new(State { tokens: burst, at: now }) }
    }

    /// Takes a token, if there is one.
    pub(crate) fn take(&self, now: Duration) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = now.saturating_sub(state.at).as_secs_f64();
        state.at = state.at.max(now);
        state.tokens = (state.tokens + passed * self.rate).min(self.burst);
        let is_there = state.tokens >= 1.0;
        if is_there {
            state.tokens -= 1.0;
        }
        is_there
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_empties_and_fills_with_time() {
        let at = Duration::from_millis;
        let bucket = Bucket::new(2.0, 3.0, at(0));
        let taken = |ms: u64| (0..5).filter(|_| bucket.take(at(ms))).count();
        assert_eq!(taken(0), 3);
        assert_eq!(taken(499), 0);
        assert_eq!(taken(500), 1);
        assert_eq!(taken(60_000), 3, "it never holds more than its burst");
        assert_eq!(taken(0), 0, "time does not go back");
        let closed = Bucket::new(0.0, 0.0, at(0));
        assert!(!closed.take(at(99_000)));
    }
}
