//! What the commits of one invocation replaced and left: from the first a dark overlay sees the world as
//! it was, with the second its effects are compared.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::backend::{Add, Before};
use crate::effects::Effects;
use crate::error::lock;

/// Shared by all handles of one invocation. Bounded: past its bound it says so and notes nothing more.
#[derive(Clone)]
pub struct Recorder {
    recorded: Arc<Mutex<Recorded>>,
    bytes_max: usize,
}

#[derive(Default)]
struct Recorded {
    rows: BTreeMap<Bytes, Change>,
    added: BTreeMap<Bytes, i64>,
    bytes: usize,
    is_cut: bool,
}

/// The before-images of an invocation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Images {
    pub rows: Vec<(Bytes, Option<Bytes>)>,
    pub added: Vec<(Bytes, i64)>,
}

/// What a key held before and holds after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) before: Option<Bytes>,
    pub(crate) after: Option<Bytes>,
}

fn length(value: Option<&Bytes>) -> usize {
    value.map_or(0, Bytes::len)
}

impl std::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Recorder")
    }
}

impl Recorder {
    pub fn new(bytes_max: usize) -> Recorder {
        Recorder { recorded: Arc::default(), bytes_max }
    }

    /// Whether something was left out, so that an overlay on it would see writes of its primary.
    pub fn is_cut(&self) -> bool {
        lock(&self.recorded).is_cut
    }

    pub fn effects(&self) -> Effects {
        let recorded = lock(&self.recorded);
        Effects::of(recorded.rows.clone(), recorded.added.clone())
    }

    /// What the written keys held before, and what was added to counters: to be kept for a later run.
    pub fn images(&self) -> Images {
        let recorded = lock(&self.recorded);
        let rows = recorded.rows.iter().map(|(key, change)| (key.clone(), change.before.clone()));
        let added = recorded.added.iter().map(|(key, delta)| (key.clone(), *delta));
        Images { rows: rows.collect(), added: added.collect() }
    }

    /// A recorder that remembers what another one did.
    pub fn of(images: Images) -> Recorder {
        let change = |before| Change { before, after: None };
        let rows = images.rows.into_iter().map(|(key, before)| (key, change(before))).collect();
        let recorded =
            Recorded { rows, added: images.added.into_iter().collect(), ..Recorded::default() };
        Recorder { recorded: Arc::new(Mutex::new(recorded)), bytes_max: 0 }
    }

    pub(crate) fn before(&self) -> BTreeMap<Bytes, Option<Bytes>> {
        let recorded = lock(&self.recorded);
        recorded.rows.iter().map(|(key, change)| (key.clone(), change.before.clone())).collect()
    }

    pub(crate) fn added(&self, key: &[u8]) -> i64 {
        lock(&self.recorded).added.get(key).copied().unwrap_or(0)
    }

    pub(crate) fn note(
        &self,
        before: Before,
        writes: BTreeMap<Bytes, Option<Bytes>>,
        adds: BTreeMap<Bytes, Add>,
    ) {
        let mut recorded = lock(&self.recorded);
        let mut before: BTreeMap<Bytes, Option<Bytes>> = before.into_iter().collect();
        for (key, after) in writes {
            if let Some(change) = recorded.rows.get_mut(&key) {
                change.after = after;
                continue;
            }
            let before = before.remove(&key).flatten();
            let bytes = key.len() + length(before.as_ref()) + length(after.as_ref());
            if recorded.bytes + bytes > self.bytes_max {
                recorded.is_cut = true;
                continue;
            }
            recorded.bytes += bytes;
            recorded.rows.insert(key, Change { before, after });
        }
        for (key, add) in adds {
            // What a reset took away is not known here.
            recorded.is_cut |= add.reset;
            recorded.bytes += key.len();
            let sum = recorded.added.entry(key).or_default();
            *sum = sum.wrapping_add(add.delta);
        }
    }
}
