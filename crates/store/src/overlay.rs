//! The dark overlay: a copy-on-write store over live data.
//!
//! It shows live data without the writes of the primary invocation that it is paired with (their before-images lie
//! over it), plus its own writes, which stay in memory and end as effects. Claims and watches are its own. Nothing done
//! here is ever seen by a live transaction, and no task runs.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt, ready};

use crate::backend::{Add, Attempt, Backend, Before, Changes, merged};
use crate::db::Db;
use crate::effects::Effects;
use crate::engine::Pair;
use crate::error::{Error, lock};
use crate::key::KeyRange;
use crate::recorder::{Change, Recorder};
use crate::watch::Watches;

#[derive(Debug, Clone)]
pub struct OverlayOptions {
    /// How much it may write.
    pub bytes_max: usize,
    /// What the primary invocation wrote, to be left out of sight.
    pub without: Vec<Recorder>,
}

impl Default for OverlayOptions {
    fn default() -> OverlayOptions {
        OverlayOptions { bytes_max: 16 << 20, without: Vec::new() }
    }
}

pub struct Overlay {
    core: Arc<Core>,
    db: Db,
}

struct Core {
    base: Arc<dyn Backend>,
    options: OverlayOptions,
    watches: Arc<Watches>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    version: u64,
    rows: BTreeMap<Bytes, Change>,
    adds: BTreeMap<Bytes, Add>,
    written: HashMap<Bytes, u64>,
    claimed: BTreeSet<Bytes>,
    bytes: usize,
}

impl Overlay {
    pub(crate) fn new(live: &Db, options: OverlayOptions) -> Overlay {
        let core = Arc::new(Core {
            base: live.backend.clone(),
            options,
            watches: Arc::new(Watches::default()),
            state: Mutex::default(),
        });
        let dark = Dark { core: core.clone() };
        let db = Db::new(Arc::new(dark), live.env().clone(), live.blobs().clone());
        Overlay { core, db }
    }

    /// The store as the candidate sees it.
    pub fn db(&self) -> Db {
        self.db.clone()
    }

    /// What was written up to now.
    pub fn effects(&self) -> Effects {
        let state = lock(&self.core.state);
        let counters = state.adds.iter().map(|(key, add)| (key.clone(), add.delta)).collect();
        Effects::of(state.rows.clone(), counters)
    }
}

struct Dark {
    core: Arc<Core>,
}

impl Backend for Dark {
    fn begin(&self) -> BoxFuture<'_, Result<Arc<dyn Attempt>, Error>> {
        Box::pin(async move {
            let base = self.core.base.begin().await?;
            let mut over = BTreeMap::new();
            for recorder in &self.core.options.without {
                over.extend(recorder.before());
            }
            let state = lock(&self.core.state);
            over.extend(state.rows.iter().map(|(key, change)| (key.clone(), change.after.clone())));
            let attempt = DarkAttempt {
                core: self.core.clone(),
                base,
                version: state.version,
                over,
                adds: state.adds.clone(),
                claims: Mutex::default(),
            };
            Ok(Arc::new(attempt) as Arc<dyn Attempt>)
        })
    }

    fn watches(&self) -> &Arc<Watches> {
        &self.core.watches
    }

    fn clear(&self) -> BoxFuture<'_, Result<(), Error>> {
        ready(Err(Error::unavailable("what is done in the dark cannot clear the store"))).boxed()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        ready(()).boxed()
    }

    fn is_dark(&self) -> bool {
        true
    }
}

struct DarkAttempt {
    core: Arc<Core>,
    base: Arc<dyn Attempt>,
    version: u64,
    /// The before-images of the primary, and the overlay's own rows over them.
    over: BTreeMap<Bytes, Option<Bytes>>,
    adds: BTreeMap<Bytes, Add>,
    claims: Mutex<Vec<Bytes>>,
}

impl DarkAttempt {
    async fn read(&self, key: &Bytes) -> Result<Option<Bytes>, Error> {
        match self.over.get(key) {
            Some(value) => Ok(value.clone()),
            None => self.base.get(key).await,
        }
    }

    async fn read_range(
        &self,
        range: KeyRange,
        limit: usize,
        reverse: bool,
    ) -> Result<Vec<Pair>, Error> {
        merged(&self.over, &range, limit, reverse, |range, limit| {
            self.base.range(range, limit, reverse)
        })
        .await
    }

    async fn take(
        &self,
        mut range: KeyRange,
        n: usize,
        except: Vec<Bytes>,
    ) -> Result<Vec<Pair>, Error> {
        let mut out = Vec::new();
        while out.len() < n {
            let asked = n - out.len() + 16;
            let page = self.read_range(range.clone(), asked, false).await?;
            let Some((last, _)) = page.last() else { break };
            range = range.after_key(last);
            let was_full = page.len() == asked;
            let mut state = lock(&self.core.state);
            for (key, value) in page {
                let is_gone =
                    state.written.get(&key).is_some_and(|version| *version > self.version);
                if out.len() == n
                    || is_gone
                    || except.contains(&key)
                    || !state.claimed.insert(key.clone())
                {
                    continue;
                }
                lock(&self.claims).push(key.clone());
                out.push((key, value));
            }
            if !was_full {
                break;
            }
        }
        Ok(out)
    }

    async fn keep(&self, changes: Changes) -> Result<Before, Error> {
        let mut before = BTreeMap::new();
        for key in changes.writes.keys() {
            before.insert(key.clone(), self.read(key).await?);
        }
        let mut state = lock(&self.core.state);
        let newer =
            |key: &&Bytes| state.written.get(*key).is_some_and(|version| *version > self.version);
        let own = lock(&self.claims).clone();
        let held = |key: &&Bytes| state.claimed.contains(*key) && !own.contains(key);
        let conflict =
            changes.reads.iter().find(newer).or_else(|| changes.writes.keys().find(held));
        if let Some(key) = conflict {
            return Err(Error::conflict(key.clone()));
        }
        let length = |value: &Option<Bytes>| value.as_ref().map_or(0, Bytes::len);
        let bytes: usize =
            changes.writes.iter().map(|(key, value)| key.len() + length(value)).sum();
        let bytes_max = self.core.options.bytes_max;
        if state.bytes + bytes > bytes_max {
            return Err(Error::OverlayFull { bytes_max });
        }
        state.bytes += bytes;
        state.version += 1;
        let version = state.version;
        for (key, after) in &changes.writes {
            state.written.insert(key.clone(), version);
            let first = before.get(key).cloned().flatten();
            let change =
                state.rows.entry(key.clone()).or_insert(Change { before: first, after: None });
            change.after = after.clone();
        }
        for (key, add) in &changes.adds {
            let sum = state.adds.entry(key.clone()).or_default();
            match add.reset {
                true => *sum = *add,
                false => sum.delta = sum.delta.wrapping_add(add.delta),
            }
        }
        drop(state);
        let rows = changes.writes.iter().map(|(key, value)| (key, value.is_some()));
        self.core.watches.mark(rows.chain(changes.adds.keys().map(|key| (key, true))));
        Ok(before.into_iter().collect())
    }
}

impl Attempt for DarkAttempt {
    fn get<'a>(&'a self, key: &'a Bytes) -> BoxFuture<'a, Result<Option<Bytes>, Error>> {
        Box::pin(self.read(key))
    }

    fn range<'a>(
        &'a self,
        range: KeyRange,
        limit: usize,
        reverse: bool,
    ) -> BoxFuture<'a, Result<Vec<Pair>, Error>> {
        Box::pin(self.read_range(range, limit, reverse))
    }

    fn sum<'a>(&'a self, key: &'a Bytes) -> BoxFuture<'a, Result<i64, Error>> {
        Box::pin(async move {
            let own = self.adds.get(key).copied().unwrap_or_default();
            if own.reset {
                return Ok(own.delta);
            }
            let primary: i64 =
                self.core.options.without.iter().map(|recorder| recorder.added(key)).sum();
            Ok(self.base.sum(key).await?.wrapping_sub(primary).wrapping_add(own.delta))
        })
    }

    fn counters<'a>(
        &'a self,
        _start: Bytes,
        _limit: usize,
    ) -> BoxFuture<'a, Result<Vec<(Bytes, i64)>, Error>> {
        Box::pin(async { Err(Error::unavailable("an overlay does not list its counters")) })
    }

    fn claim<'a>(
        &'a self,
        range: KeyRange,
        n: usize,
        except: Vec<Bytes>,
    ) -> BoxFuture<'a, Result<Vec<Pair>, Error>> {
        Box::pin(self.take(range, n, except))
    }

    fn commit<'a>(&'a self, changes: Changes) -> BoxFuture<'a, Result<Before, Error>> {
        Box::pin(self.keep(changes))
    }
}

impl Drop for DarkAttempt {
    fn drop(&mut self) {
        let mut state = lock(&self.core.state);
        for key in lock(&self.claims).drain(..) {
            state.claimed.remove(&key);
        }
    }
}
