//! The engine that forgets everything when the process ends: versions of values in an ordered map.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt, ready};

use super::{Engine, Pair, View, Write};
use crate::error::Error;
use crate::key::KeyRange;

#[derive(Default)]
pub struct MemoryEngine {
    shared: Arc<RwLock<Versions>>,
}

#[derive(Default)]
struct Versions {
    now: u64,
    rows: BTreeMap<Bytes, Vec<(u64, Option<Bytes>)>>,
    /// How many views look at a version.
    views: BTreeMap<u64, usize>,
    /// Keys whose older values can go once no view is older than the version.
    garbage: VecDeque<(u64, Bytes)>,
}

impl Versions {
    fn apply(&mut self, writes: Vec<Write>) {
        self.now += 1;
        for (key, value) in writes {
            let values = self.rows.entry(key.clone()).or_default();
            let is_first = values.is_empty();
            let is_delete = value.is_none();
            values.push((self.now, value));
            if !is_first || is_delete {
                self.garbage.push_back((self.now, key));
            }
        }
        self.collect();
    }

    fn collect(&mut self) {
        let oldest = self.views.keys().next().copied().unwrap_or(self.now);
        while self.garbage.front().is_some_and(|(version, _)| *version <= oldest) {
            let Some((_, key)) = self.garbage.pop_front() else {
                return;
            };
            let Some(values) = self.rows.get_mut(&key) else {
                continue;
            };
            let seen_by_all =
                values.iter().rposition(|(version, _)| *version <= oldest).unwrap_or(0);
            values.drain(..seen_by_all);
            if values.len() == 1 && values.first().is_some_and(|(_, value)| value.is_none()) {
                self.rows.remove(&key);
            }
        }
    }
}

fn at(values: &[(u64, Option<Bytes>)], version: u64) -> Option<&Bytes> {
    values
        .iter()
        .rev()
        .find(|(written, _)| *written <= version)
        .and_then(|(_, value)| value.as_ref())
}

fn read(shared: &RwLock<Versions>) -> RwLockReadGuard<'_, Versions> {
    shared.read().unwrap_or_else(PoisonError::into_inner)
}

fn write(shared: &RwLock<Versions>) -> RwLockWriteGuard<'_, Versions> {
    shared.write().unwrap_or_else(PoisonError::into_inner)
}

impl Engine for MemoryEngine {
    fn view(&self) -> Result<Arc<dyn View>, Error> {
        let mut versions = write(&self.shared);
        let version = versions.now;
        *versions.views.entry(version).or_default() += 1;
        Ok(Arc::new(MemoryView { shared: self.shared.clone(), version }))
    }

    fn apply(&self, writes: Vec<Write>, _sync: bool) -> BoxFuture<'_, Result<(), Error>> {
        write(&self.shared).apply(writes);
        ready(Ok(())).boxed()
    }

    fn sync(&self) -> BoxFuture<'_, Result<(), Error>> {
        ready(Ok(())).boxed()
    }

    fn is_immediate(&self) -> bool {
        true
    }
}

struct MemoryView {
    shared: Arc<RwLock<Versions>>,
    version: u64,
}

impl View for MemoryView {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, Error> {
        Ok(read(&self.shared).rows.get(key).and_then(|values| at(values, self.version)).cloned())
    }

    fn range(&self, range: &KeyRange, limit: usize, reverse: bool) -> Result<Vec<Pair>, Error> {
        if range.is_empty() {
            return Ok(Vec::new());
        }
        let versions = read(&self.shared);
        let end = range.end.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let rows = versions.rows.range::<[u8], _>((Bound::Included(range.start.as_ref()), end));
        let pair = |(key, values): (&Bytes, &Vec<_>)| {
            Some((key.clone(), at(values, self.version)?.clone()))
        };
        Ok(match reverse {
            false => rows.filter_map(pair).take(limit).collect(),
            true => rows.rev().filter_map(pair).take(limit).collect(),
        })
    }
}

impl Drop for MemoryView {
    fn drop(&mut self) {
        let mut versions = write(&self.shared);
        if let Some(count) = versions.views.get_mut(&self.version) {
            *count -= 1;
            if *count == 0 {
                versions.views.remove(&self.version);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apply(engine: &MemoryEngine, writes: Vec<Write>) {
        engine.apply(writes, true).now_or_never().unwrap().unwrap();
    }

    #[test]
    fn old_values_go_when_nobody_looks_at_them() {
        let engine = MemoryEngine::default();
        let key = Bytes::from_static(b"k");
        let put = |value: &'static str| (key.clone(), Some(Bytes::from_static(value.as_bytes())));
        apply(&engine, vec![put("one")]);
        let old = engine.view().unwrap();
        apply(&engine, vec![put("two")]);
        apply(&engine, vec![(key.clone(), None)]);
        assert_eq!(old.get(&key).unwrap().unwrap(), "one");
        assert_eq!(engine.view().unwrap().get(&key).unwrap(), None);
        drop(old);
        apply(&engine, vec![(Bytes::from_static(b"other"), None)]);
        apply(&engine, vec![(Bytes::from_static(b"third"), None)]);
        assert!(read(&engine.shared).rows.is_empty());
        assert!(read(&engine.shared).garbage.is_empty());
    }
}
