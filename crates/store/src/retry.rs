//! Trying again after a conflict: fairly, with jittered waits, within bounds.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::OwnedMutexGuard;

use crate::env::Env;
use crate::error::{Error, lock};

const ATTEMPTS_MAX: u32 = 200;
/// Waiting in line included, how long a caller is kept.
const WAIT_MAX: Duration = Duration::from_secs(20);

/// Keys over which transactions conflicted. Those who lost once queue up here in order, so that a hot key
/// serves its contenders one after the other and starves nobody.
#[derive(Default)]
pub(crate) struct HotKeys {
    lines: Mutex<HashMap<Bytes, Weak<tokio::sync::Mutex<()>>>>,
}

impl HotKeys {
    fn line(&self, key: Bytes) -> Arc<tokio::sync::Mutex<()>> {
        let mut lines = lock(&self.lines);
        if let Some(line) = lines.get(&key).and_then(Weak::upgrade) {
            return line;
        }
        if lines.len() > 256 {
            lines.retain(|_, line| line.strong_count() > 0);
        }
        let line = Arc::default();
        lines.insert(key, Arc::downgrade(&line));
        line
    }
}

pub(crate) struct Retry<'a> {
    env: &'a Env,
    hot: &'a HotKeys,
    began: Duration,
    attempts: u32,
    turn: Option<(Bytes, OwnedMutexGuard<()>)>,
}

impl<'a> Retry<'a> {
    pub(crate) fn new(env: &'a Env, hot: &'a HotKeys) -> Retry<'a> {
        Retry { env, hot, began: env.clock.monotonic(), attempts: 0, turn: None }
    }

    /// Waits for the right moment to try again after a conflict over `key`.
    pub(crate) async fn after(&mut self, key: Bytes) -> Result<(), Error> {
        self.attempts += 1;
        let waited = self.env.clock.monotonic().saturating_sub(self.began);
        if self.attempts >= ATTEMPTS_MAX || waited >= WAIT_MAX {
            return Err(Error::Conflict { key, attempts: self.attempts });
        }
        if self.turn.as_ref().is_none_or(|(held, _)| *held != key) {
            // Give up the old place first: two callers that wait for each other's would never go on.
            self.turn = None;
            let line = self.hot.line(key.clone());
            let turn = self.env.timeout(WAIT_MAX, line.lock_owned()).await;
            self.turn = turn.ok().map(|turn| (key, turn));
        }
        // Whoever is first in line goes at once; if that fails often, somebody holds a claim for long.
        if self.attempts > 2 {
            let wait = Duration::from_micros(250 << (self.attempts - 3).min(8));
            self.env.clock.sleep(self.env.jitter(wait)).await;
        }
        Ok(())
    }
}
