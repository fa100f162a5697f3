//! Real time and real tasks: the only module of the crate that touches them. Processes live in real time, so the
//! simulated clock of the services has no meaning here.

use std::future::Future;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A point on the monotonic clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(Instant);

impl Moment {
    #[expect(clippy::disallowed_methods, reason = "processes live in real time")]
    pub(crate) fn now() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn after(self, wait: Duration) -> Self {
        Self(self.0 + wait)
    }

    pub(crate) fn elapsed_ms(self) -> f64 {
        Self::now().0.duration_since(self.0).as_secs_f64() * 1000.0
    }

    pub(crate) fn has_passed(self) -> bool {
        Self::now() >= self
    }
}

/// Wall time in milliseconds since 1970.
#[expect(
    clippy::disallowed_methods,
    reason = "log lines and deadlines of processes carry real time"
)]
pub(crate) fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[expect(clippy::disallowed_methods, reason = "real time-outs of processes")]
pub(crate) async fn sleep_until(moment: Moment) {
    tokio::time::sleep_until(moment.0.into()).await;
}

pub(crate) async fn sleep(wait: Duration) {
    sleep_until(Moment::now().after(wait)).await;
}

/// `None` when `wait` passes first.
pub(crate) async fn within<F: Future>(wait: Duration, work: F) -> Option<F::Output> {
    tokio::select! {
        biased;
        output = work => Some(output),
        () = sleep(wait) => None,
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "tasks that watch processes; the simulator never runs them"
)]
pub(crate) fn spawn<F>(work: F) -> tokio::task::JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    tokio::task::spawn(work)
}

/// `2024-03-13T18:56:24.046Z`.
pub(crate) fn iso(unix_ms: u64) -> String {
    let date = Date::of(unix_ms);
    let (ms, s) = (unix_ms % 1000, unix_ms / 1000);
    let (hour, minute, second) = (s / 3600 % 24, s / 60 % 60, s % 60);
    format!(
        "{:04}-{:02}-{:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z",
        date.year, date.month, date.day
    )
}

/// A day of the Gregorian calendar (UTC).
pub(crate) struct Date {
    pub(crate) year: u64,
    pub(crate) month: u64,
    pub(crate) day: u64,
}

impl Date {
    pub(crate) fn of(unix_ms: u64) -> Self {
        // Days are counted from 0000-03-01, so that the leap day is the last of its year.
        let days = unix_ms / 86_400_000 + 719_468;
        let (era, of_era) = (days / 146_097, days % 146_097);
        let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted = (5 * of_year + 2) / 153;
        let day = of_year - (153 * shifted + 2) / 5 + 1;
        let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
        let year = year_of_era + era * 400 + u64::from(month <= 2);
        Self { year, month, day }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_the_calendar() {
        assert_eq!(iso(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(iso(1_709_164_800_123), "2024-02-29T00:00:00.123Z");
        assert_eq!(iso(1_735_689_599_999), "2024-12-31T23:59:59.999Z");
    }
}
