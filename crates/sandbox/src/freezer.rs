//! Instances stand still between invocations, as in Lambda: timers and background work of a function go on with its
//! next event. Processes are stopped a moment after they began to wait, so that a busy instance is never slowed.

use std::sync::{Mutex, PoisonError};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::memory::children_of;

/// Which processes of one instance are stopped.
pub(crate) struct Freezer {
    wanted: bool,
    stopped: Mutex<Vec<u32>>,
}

impl Freezer {
    pub(crate) fn new(wanted: bool) -> Self {
        Self { wanted, stopped: Mutex::default() }
    }

    pub(crate) fn wanted(&self) -> bool {
        self.wanted
    }

    /// Stops `root` and everything below it: a parent first, so that it cannot fork behind our back.
    pub(crate) fn freeze(&self, root: u32) {
        let mut stopped = self.stopped.lock().unwrap_or_else(PoisonError::into_inner);
        if !stopped.is_empty() {
            return;
        }
        let mut waiting = vec![root];
        while let Some(pid) = waiting.pop() {
            if signal(pid, Signal::SIGSTOP) {
                stopped.push(pid);
                waiting.extend(children_of(pid));
            }
        }
    }

    /// Children first, so that a parent finds them running.
    pub(crate) fn thaw(&self) {
        let mut stopped = self.stopped.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(pid) = stopped.pop() {
            signal(pid, Signal::SIGCONT);
        }
    }
}

fn signal(pid: u32, signal: Signal) -> bool {
    kill(Pid::from_raw(pid.cast_signed()), signal).is_ok()
}
