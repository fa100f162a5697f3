//! What commits replaced: the before-images from which a dark overlay sees the world as it was.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;

use crate::backend::Before;
use crate::error::lock;

/// Shared by all handles of one invocation. Bounded: past its bound it says so and notes nothing more.
#[derive(Clone)]
pub struct Recorder {
    recorded: Arc<Mutex<Recorded>>,
    bytes_max: usize,
}

#[derive(Default)]
struct Recorded {
    before: BTreeMap<Bytes, Option<Bytes>>,
    bytes: usize,
    is_cut: bool,
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

    /// The keys that were written, each with what it held before the first write.
    pub fn before(&self) -> BTreeMap<Bytes, Option<Bytes>> {
        lock(&self.recorded).before.clone()
    }

    pub(crate) fn note(&self, before: Before) {
        let mut recorded = lock(&self.recorded);
        for (key, value) in before {
            if recorded.before.contains_key(&key) {
                continue;
            }
            let bytes = key.len() + value.as_ref().map_or(0, Bytes::len);
            if recorded.bytes + bytes > self.bytes_max {
                recorded.is_cut = true;
                continue;
            }
            recorded.bytes += bytes;
            recorded.before.insert(key, value);
        }
    }
}
