//! Holds transactions back while the whole store is exchanged.
//!
//! Nobody begins meanwhile, and what began before does not commit afterwards: it meets a conflict and runs again on what
//! is there then.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};

use bytes::Bytes;
use tokio::sync::{Mutex, MutexGuard, Notify, watch};

use crate::error::Error;

pub(crate) struct Gate {
    /// Odd while it is shut.
    era: AtomicU64,
    committing: AtomicUsize,
    idle: Notify,
    shut: watch::Sender<bool>,
    one_at_a_time: Mutex<()>,
}

/// What a transaction is let in with.
#[derive(Clone)]
pub(crate) struct Pass {
    gate: Arc<Gate>,
    era: u64,
}

/// A commit under way.
pub(crate) struct Committing<'a>(&'a Gate);

/// The gate is shut until this is dropped.
pub(crate) struct Shut<'a> {
    gate: &'a Gate,
    _alone: MutexGuard<'a, ()>,
}

impl Default for Gate {
    fn default() -> Gate {
        Gate {
            era: AtomicU64::new(0),
            committing: AtomicUsize::new(0),
            idle: Notify::new(),
            shut: watch::Sender::new(false),
            one_at_a_time: Mutex::default(),
        }
    }
}

impl Gate {
    /// How often the store was exchanged, times two.
    pub(crate) fn era(&self) -> u64 {
        self.era.load(SeqCst)
    }

    /// Waits while the gate is shut.
    pub(crate) async fn pass(self: &Arc<Self>) -> Pass {
        loop {
            let era = self.era();
            if era.is_multiple_of(2) {
                return Pass { gate: Arc::clone(self), era };
            }
            let mut shut = self.shut.subscribe();
            // The sender is in `self`, so it is not gone.
            let _ = shut.wait_for(|shut| !shut).await;
        }
    }

    /// Shuts the gate; returns when the last commit that was let in is done.
    pub(crate) async fn shut(&self) -> Shut<'_> {
        let shut = Shut { _alone: self.one_at_a_time.lock().await, gate: self };
        self.shut.send_replace(true);
        self.era.fetch_add(1, SeqCst);
        loop {
            let idle = self.idle.notified();
            if self.committing.load(SeqCst) == 0 {
                return shut;
            }
            idle.await;
        }
    }
}

impl Pass {
    /// Lets a commit in, unless the store is another one than that which its transaction read.
    pub(crate) fn commit(&self) -> Result<Committing<'_>, Error> {
        self.gate.committing.fetch_add(1, SeqCst);
        let committing = Committing(&self.gate);
        match self.gate.era() == self.era {
            true => Ok(committing),
            false => Err(Error::conflict(Bytes::new())),
        }
    }
}

impl Drop for Committing<'_> {
    fn drop(&mut self) {
        if self.0.committing.fetch_sub(1, SeqCst) == 1 && !self.0.era().is_multiple_of(2) {
            self.0.idle.notify_waiters();
        }
    }
}

impl Drop for Shut<'_> {
    fn drop(&mut self) {
        // Whoever sees the even era finds the gate open.
        self.gate.era.fetch_add(1, SeqCst);
        self.gate.shut.send_replace(false);
    }
}
