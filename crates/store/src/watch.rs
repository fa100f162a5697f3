//! Watches: "something under this prefix was committed". A hint that may come once too often, but never
//! misses a commit of this process.
//!
//! A commit is published before its watches are marked. So whoever takes the mark first and reads afterwards
//! cannot miss a row: either the read sees it, or a later mark announces it.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use tokio::sync::watch;

use crate::error::lock;

#[derive(Default)]
pub(crate) struct Watches {
    registry: Mutex<Registry>,
}

#[derive(Default)]
struct Registry {
    next_id: u64,
    by_prefix: HashMap<Bytes, Vec<Arc<Cell>>>,
    /// How many prefixes have this length: a key is looked up once per length.
    lengths: BTreeMap<usize, usize>,
}

struct Cell {
    id: u64,
    commits: watch::Sender<u64>,
    lowest: Mutex<Option<Bytes>>,
}

impl Cell {
    fn mark(&self, lowest: Option<&Bytes>) {
        if let Some(key) = lowest {
            let mut lowest = lock(&self.lowest);
            if lowest.as_ref().is_none_or(|lowest| key < lowest) {
                *lowest = Some(key.clone());
            }
        }
        self.commits.send_modify(|commits| *commits += 1);
    }
}

/// Keys that followed each other and share a prefix of this length.
struct Run<'a> {
    length: usize,
    prefix: Option<&'a [u8]>,
    cells: &'a [Arc<Cell>],
    lowest: Option<&'a Bytes>,
}

impl Run<'_> {
    fn new(length: usize) -> Self {
        Run { length, prefix: None, cells: &[], lowest: None }
    }

    fn finish(&mut self) {
        let lowest = self.lowest.take();
        self.cells.iter().for_each(|cell| cell.mark(lowest));
    }
}

impl Watches {
    pub(crate) fn watch(self: &Arc<Self>, prefix: Bytes) -> Watch {
        let mut registry = lock(&self.registry);
        registry.next_id += 1;
        let cell = Arc::new(Cell {
            id: registry.next_id,
            commits: watch::Sender::new(0),
            lowest: Mutex::new(None),
        });
        let commits = cell.commits.subscribe();
        let cells = registry.by_prefix.entry(prefix.clone()).or_default();
        cells.push(cell.clone());
        if cells.len() == 1 {
            *registry.lengths.entry(prefix.len()).or_default() += 1;
        }
        Watch { watches: self.clone(), prefix, cell, commits }
    }

    /// Marks the watches of all these keys. `true` says that the key now has a value. Keys that come in order
    /// cost each watch one mark, however many they are.
    pub(crate) fn mark<'a>(&self, keys: impl Iterator<Item = (&'a Bytes, bool)>) {
        let registry = lock(&self.registry);
        if registry.by_prefix.is_empty() {
            return;
        }
        let mut runs: Vec<Run<'_>> = registry.lengths.keys().copied().map(Run::new).collect();
        for (key, put) in keys {
            for run in &mut runs {
                let Some(prefix) = key.get(..run.length) else {
                    break;
                };
                if run.prefix != Some(prefix) {
                    run.finish();
                    run.prefix = Some(prefix);
                    run.cells = registry.by_prefix.get(prefix).map_or(&[], Vec::as_slice);
                }
                if put && run.lowest.is_none_or(|lowest| key < lowest) {
                    run.lowest = Some(key);
                }
            }
        }
        runs.iter_mut().for_each(Run::finish);
    }

    /// Marks the watches that the keys beginning with `start` may concern: news of another node, cut short.
    pub(crate) fn mark_under(&self, start: &Bytes) {
        for (prefix, cells) in &lock(&self.registry).by_prefix {
            if prefix.starts_with(start) {
                cells.iter().for_each(|cell| cell.mark(Some(prefix)));
            } else if start.starts_with(prefix) {
                cells.iter().for_each(|cell| cell.mark(Some(start)));
            }
        }
    }

    pub(crate) fn mark_all(&self) {
        self.mark_under(&Bytes::new());
    }
}

/// What [`crate::Db::watch`] returns.
pub struct Watch {
    watches: Arc<Watches>,
    prefix: Bytes,
    cell: Arc<Cell>,
    commits: watch::Receiver<u64>,
}

impl Watch {
    /// Waits for a commit under the prefix since the last call, or since the watch began.
    pub async fn changed(&mut self) {
        // The sender lives in our own cell, so there is no other outcome than a change.
        let _ = self.commits.changed().await;
    }

    /// Whether [`Watch::changed`] would return at once; forgets the change.
    pub fn take_changed(&mut self) -> bool {
        let changed = self.commits.has_changed().unwrap_or(true);
        self.commits.mark_unchanged();
        changed
    }

    /// The lowest key that got a value since the last call, for head cursors: take it, lower the cursor
    /// to it, only then read.
    pub fn take_lowest(&mut self) -> Option<Bytes> {
        lock(&self.cell.lowest).take()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut registry = lock(&self.watches.registry);
        let Some(cells) = registry.by_prefix.get_mut(&self.prefix) else {
            return;
        };
        cells.retain(|cell| cell.id != self.cell.id);
        if !cells.is_empty() {
            return;
        }
        registry.by_prefix.remove(&self.prefix);
        if let Some(count) = registry.lengths.get_mut(&self.prefix.len()) {
            *count -= 1;
            if *count == 0 {
                registry.lengths.remove(&self.prefix.len());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[test]
    fn a_watch_sees_what_is_under_its_prefix_and_the_lowest_key() {
        let watches = Arc::new(Watches::default());
        let mut watch = watches.watch(Bytes::from_static(b"ab"));
        assert!(watch.changed().now_or_never().is_none());
        let (other, late, early) =
            (Bytes::from_static(b"ac"), Bytes::from_static(b"abz"), Bytes::from_static(b"abc"));
        watches.mark([(&other, true)].into_iter());
        assert!(watch.changed().now_or_never().is_none());
        watches
            .mark([(&late, true), (&early, true), (&Bytes::from_static(b"ab"), false)].into_iter());
        assert!(watch.changed().now_or_never().is_some());
        assert_eq!(watch.take_lowest(), Some(early));
        assert_eq!(watch.take_lowest(), None);
        assert!(watch.changed().now_or_never().is_none());
        watches.mark_all();
        assert!(watch.take_changed() && !watch.take_changed());
        drop(watch);
        assert!(lock(&watches.registry).lengths.is_empty());
    }
}
