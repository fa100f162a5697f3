//! A disk that loses what was not synced.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use undercast_store::engine::{Engine, View, Write};
use undercast_store::sim::SimRng;
use undercast_store::{Env, Error, KeyRange, Pair};

type Rows = BTreeMap<Bytes, Bytes>;

/// What a simulated disk holds, and what is on its way there.
#[derive(Default)]
pub struct Disk {
    durable: Mutex<Rows>,
    /// Batches that were written and not synced, in order.
    unsynced: Mutex<Vec<Vec<Write>>>,
}

fn apply_all(rows: &mut Rows, batches: impl IntoIterator<Item = Vec<Write>>) {
    for (key, value) in batches.into_iter().flatten() {
        match value {
            Some(value) => rows.insert(key, value),
            None => rows.remove(&key),
        };
    }
}

impl Disk {
    /// The power goes: of what was not synced, the first few batches are there by luck.
    pub fn crash(&self, rng: &mut SimRng) {
        let mut unsynced =
            std::mem::take(&mut *self.unsynced.lock().unwrap_or_else(PoisonError::into_inner));
        let kept = rng.below(unsynced.len() as u64 + 1);
        unsynced.truncate(usize::try_from(kept).unwrap_or(usize::MAX));
        apply_all(&mut self.durable.lock().unwrap_or_else(PoisonError::into_inner), unsynced);
    }
}

/// An engine over a [`Disk`].
pub struct Faults {
    disk: Arc<Disk>,
    env: Env,
    rng: Mutex<SimRng>,
    /// One sync of so many fails; 0 for none.
    fails_one_in: u64,
}

impl Faults {
    pub fn new(disk: &Arc<Disk>, env: &Env, seed: u64, fails_one_in: u64) -> Self {
        let rng = Mutex::new(SimRng::new(seed));
        Self { disk: Arc::clone(disk), env: env.clone(), rng, fails_one_in }
    }

    fn chance(&self, n: u64) -> u64 {
        self.rng.lock().unwrap_or_else(PoisonError::into_inner).below(n)
    }

    async fn flush(&self) -> Result<(), Error> {
        self.env.clock.sleep(Duration::from_micros(100 + self.chance(2000))).await;
        if self.fails_one_in > 0 && self.chance(self.fails_one_in) == 0 {
            return Err(Error::Unavailable { reason: "the sync failed".into() });
        }
        let batches =
            std::mem::take(&mut *self.disk.unsynced.lock().unwrap_or_else(PoisonError::into_inner));
        apply_all(&mut self.disk.durable.lock().unwrap_or_else(PoisonError::into_inner), batches);
        Ok(())
    }
}

impl Engine for Faults {
    fn view(&self) -> Result<Arc<dyn View>, Error> {
        let mut rows = self.disk.durable.lock().unwrap_or_else(PoisonError::into_inner).clone();
        apply_all(
            &mut rows,
            self.disk.unsynced.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        );
        Ok(Arc::new(Fixed(rows)))
    }

    fn apply(&self, writes: Vec<Write>, sync: bool) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            self.env.clock.sleep(Duration::from_micros(self.chance(50))).await;
            self.disk.unsynced.lock().unwrap_or_else(PoisonError::into_inner).push(writes);
            if sync { self.flush().await } else { Ok(()) }
        })
    }

    fn sync(&self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(self.flush())
    }
}

struct Fixed(Rows);

impl View for Fixed {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, Error> {
        Ok(self.0.get(key).cloned())
    }

    fn range(&self, range: &KeyRange, limit: usize, reverse: bool) -> Result<Vec<Pair>, Error> {
        if range.is_empty() {
            return Ok(Vec::new());
        }
        let end = range.end.clone().map_or(Bound::Unbounded, Bound::Excluded);
        let rows = self.0.range((Bound::Included(range.start.clone()), end));
        let pair = |(key, value): (&Bytes, &Bytes)| (key.clone(), value.clone());
        Ok(match reverse {
            false => rows.map(pair).take(limit).collect(),
            true => rows.rev().map(pair).take(limit).collect(),
        })
    }
}
