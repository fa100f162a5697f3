//! What `Db` and `Tx` ask of the place where the data is: the embedded store (`local`), a database
//! (`postgres`), or a copy-on-write layer over one of them (`overlay`).

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;

use crate::engine::Pair;
use crate::error::Error;
use crate::key::KeyRange;
use crate::watch::Watches;

pub(crate) trait Backend: Send + Sync + 'static {
    fn begin(&self) -> BoxFuture<'_, Result<Arc<dyn Attempt>, Error>>;
    fn watches(&self) -> &Arc<Watches>;
    fn clear(&self) -> BoxFuture<'_, Result<(), Error>>;
    fn close(&self) -> BoxFuture<'_, ()>;
    /// Whether other processes write the same data.
    fn is_shared(&self) -> bool {
        false
    }
    /// Whether what is written stays in the dark.
    fn is_dark(&self) -> bool {
        false
    }
}

/// One try of one transaction. All reads see the same moment. Dropping it gives up its claims.
pub(crate) trait Attempt: Send + Sync {
    fn get<'a>(&'a self, key: &'a Bytes) -> BoxFuture<'a, Result<Option<Bytes>, Error>>;
    fn range<'a>(
        &'a self,
        range: KeyRange,
        limit: usize,
        reverse: bool,
    ) -> BoxFuture<'a, Result<Vec<Pair>, Error>>;
    fn sum<'a>(&'a self, key: &'a Bytes) -> BoxFuture<'a, Result<i64, Error>>;
    /// The first `limit` counters from `start` on that are not zero, in order.
    fn counters<'a>(
        &'a self,
        start: Bytes,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<(Bytes, i64)>, Error>>;
    /// Up to `n` rows that nobody else holds, neither this attempt by an earlier claim nor in `except`.
    fn claim<'a>(
        &'a self,
        range: KeyRange,
        n: usize,
        except: Vec<Bytes>,
    ) -> BoxFuture<'a, Result<Vec<Pair>, Error>>;
    fn commit<'a>(&'a self, changes: Changes) -> BoxFuture<'a, Result<Before, Error>>;
}

/// The values that a commit replaced, if they were asked for.
pub(crate) type Before = Vec<(Bytes, Option<Bytes>)>;

/// What a transaction leaves to be committed.
#[derive(Debug, Default, Clone)]
pub(crate) struct Changes {
    /// Keys that were read or claimed and must not have changed since.
    pub(crate) reads: Vec<Bytes>,
    pub(crate) writes: BTreeMap<Bytes, Option<Bytes>>,
    pub(crate) adds: BTreeMap<Bytes, Add>,
    pub(crate) want_before: bool,
}

impl Changes {
    pub(crate) fn is_empty(&self) -> bool {
        self.writes.is_empty() && self.adds.is_empty()
    }
}

/// What happens to a counter.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Add {
    /// Forget what was counted before.
    pub(crate) reset: bool,
    pub(crate) delta: i64,
}

/// Lays `over` on the pairs that `fetch` reads, which must hold back nothing that is in its range.
pub(crate) async fn merged<F, Fut>(
    over: &BTreeMap<Bytes, Option<Bytes>>,
    range: &KeyRange,
    limit: usize,
    reverse: bool,
    fetch: F,
) -> Result<Vec<Pair>, Error>
where
    F: Fn(KeyRange, usize) -> Fut,
    Fut: Future<Output = Result<Vec<Pair>, Error>>,
{
    if range.is_empty() || limit == 0 {
        return Ok(Vec::new());
    }
    let end = range.end.clone().map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded);
    let over: BTreeMap<&Bytes, &Option<Bytes>> =
        over.range((std::ops::Bound::Included(range.start.clone()), end)).collect();
    if over.is_empty() {
        return fetch(range.clone(), limit).await;
    }
    let mut out = Vec::new();
    let mut rest = range.clone();
    loop {
        let asked = limit - out.len() + over.len().min(64);
        let page = fetch(rest.clone(), asked).await?;
        let last = (page.len() == asked).then(|| page.last().map(|(key, _)| key.clone())).flatten();
        // What lies over this page: all that is left if it is the last one.
        let next = match (&last, reverse) {
            (Some(last), false) => rest.clone().after_key(last),
            (Some(last), true) => rest.clone().before_key(last.clone()),
            (None, _) => KeyRange { start: Bytes::new(), end: Some(Bytes::new()) },
        };
        let mut rows: BTreeMap<Bytes, Bytes> = page.into_iter().collect();
        for (key, value) in over.iter().filter(|(key, _)| rest.contains(key) && !next.contains(key))
        {
            match value {
                Some(value) => rows.insert((*key).clone(), value.clone()),
                None => rows.remove(*key),
            };
        }
        match reverse {
            false => out.extend(rows),
            true => out.extend(rows.into_iter().rev()),
        }
        if out.len() >= limit || last.is_none() {
            out.truncate(limit);
            return Ok(out);
        }
        rest = next;
    }
}
