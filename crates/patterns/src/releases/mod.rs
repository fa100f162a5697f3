//! Releases under way: what moves them, and what is counted while an alias shares its traffic.
//!
//! A release is a row and a task. The task is woken when something was counted, when its step is over, and when
//! somebody commands; it asks [`crate::ladder::advance`], writes what follows together with what has to be done,
//! and does it. What was decided and not done is done again after a crash.

pub(crate) mod alarms;
mod drive;
mod served;

pub(crate) use drive::{drive, spawn_step, step_task};
pub(crate) use served::Counting;

use crate::store::{ReleaseRow, RunKey};

/// The dark run that a release starts has its name.
pub(crate) fn run_name(release: &str) -> String {
    release.to_owned()
}

/// The key of the guard that keeps a second release from moving the same alias.
pub(crate) fn guard(key: &RunKey, row: &ReleaseRow) -> RunKey {
    (key.0.clone(), key.1.clone(), format!("{}:{}", row.function, row.alias))
}
