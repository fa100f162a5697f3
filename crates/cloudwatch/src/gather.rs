//! Where values come together before they are written.
//!
//! Whoever counts adds to a table in memory. One flush at a time takes all of it and puts it down in transactions
//! of bounded size; `PutMetricData` waits for the flush that has its values, so that calls at the same time
//! share a transaction, and what it acknowledges is durable.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::channel::oneshot;
use undercast_kernel::{Counted, Kernel, Metrics, ServiceError};
use undercast_store::{Db, Tx};

use crate::aggregate::Aggregate;
use crate::limits::{HOUR_MS, RESOLUTIONS};
use crate::store::{METRICS, MetricKey, MetricRow, POINTS, PointKey};
use crate::sweep;

/// How long what is counted inside may wait.
const DELAY: Duration = Duration::from_secs(1);
/// Intervals written by one transaction.
const CHUNK: usize = 200;
/// Beyond these, what is counted inside is dropped.
const WAITING_MAX: usize = 100_000;
const KNOWN_MAX: usize = 50_000;

/// Which metric.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Named<'a> {
    pub(crate) account: &'a str,
    pub(crate) region: &'a str,
    pub(crate) namespace: &'a str,
    pub(crate) name: &'a str,
    /// Ordered by name.
    pub(crate) dimensions: &'a [(&'a str, &'a str)],
}

pub(crate) type Id = [u8; 16];

impl Named<'_> {
    /// What a metric's points are kept under: the same for ever for the same metric.
    pub(crate) fn id(&self) -> Id {
        let mut hasher = blake3::Hasher::new();
        let mut part = |text: &str| {
            hasher.update(&(text.len() as u64).to_be_bytes());
            hasher.update(text.as_bytes());
        };
        [self.account, self.region, self.namespace, self.name].into_iter().for_each(&mut part);
        for (name, value) in self.dimensions {
            part(name);
            part(value);
        }
        let mut id = Id::default();
        hasher.finalize_xof().fill(&mut id);
        id
    }

    fn owned(&self) -> Owned {
        let dimensions =
            self.dimensions.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Owned {
            key: (
                self.account.to_owned(),
                self.region.to_owned(),
                self.namespace.to_owned(),
                self.name.to_owned(),
                String::new(),
            ),
            dimensions,
        }
    }
}

#[derive(Debug, Clone)]
struct Owned {
    key: MetricKey,
    dimensions: Vec<(String, String)>,
}

pub(crate) fn id_text(id: &Id) -> String {
    id.iter().fold(String::with_capacity(32), |mut text, byte| {
        use std::fmt::Write as _;
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// What waits of one metric.
#[derive(Debug)]
struct Slot {
    metric: Owned,
    points: Points,
}

/// By start of the interval in seconds, whether that is a second or a minute, and unit.
type Points = BTreeMap<(i64, u32), Vec<(String, Aggregate)>>;

type Written = Result<(), String>;

#[derive(Default)]
struct Waiting {
    slots: HashMap<Id, Slot>,
    count: usize,
    waiters: Vec<oneshot::Sender<Written>>,
    /// A flush has been ordered and has not taken yet.
    is_ordered: bool,
}

pub(crate) struct Gatherer {
    kernel: Kernel,
    waiting: Mutex<Waiting>,
    /// Held by the flush that writes.
    turn: futures::lock::Mutex<()>,
    /// Metrics whose row says that they were written to in this hour.
    known: Mutex<HashMap<Id, i64>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A value or a set of statistics with its place in time.
#[derive(Debug, Clone)]
pub(crate) struct Point {
    pub(crate) at_s: i64,
    /// 1 or 60.
    pub(crate) resolution: u32,
    pub(crate) unit: String,
    pub(crate) aggregate: Aggregate,
}

impl Waiting {
    fn change(
        &mut self,
        id: Id,
        named: &Named<'_>,
        (at_s, resolution): (i64, u32),
        unit: &str,
        change: impl FnOnce(&mut Aggregate),
    ) {
        let slot = self
            .slots
            .entry(id)
            .or_insert_with(|| Slot { metric: named.owned(), points: Points::new() });
        let start = at_s - at_s.rem_euclid(i64::from(resolution));
        let of_units = slot.points.entry((start, resolution)).or_default();
        match of_units.iter_mut().find(|(other, _)| other == unit) {
            Some((_, aggregate)) => change(aggregate),
            None => {
                let mut aggregate = Aggregate::default();
                change(&mut aggregate);
                of_units.push((unit.to_owned(), aggregate));
                self.count += 1;
            }
        }
    }

    fn merge(&mut self, named: &Named<'_>, point: &Point) {
        let at = (point.at_s, point.resolution);
        self.change(named.id(), named, at, &point.unit, |aggregate| {
            aggregate.merge(&point.aggregate)
        });
    }
}

/// The kernel's port.
pub(crate) struct Port(pub(crate) Arc<Gatherer>);

impl Metrics for Port {
    fn count(&self, account: &str, region: &str, counted: &Counted<'_>) {
        let Counted { namespace, name, dimensions, value, unit } = *counted;
        let now_s = self.0.kernel.env().clock.now_ms().div_euclid(1000);
        let named = Named { account, region, namespace, name, dimensions };
        let id = named.id();
        let is_first = {
            let mut waiting = lock(&self.0.waiting);
            if waiting.count >= WAITING_MAX {
                return;
            }
            waiting.change(id, &named, (now_s, 60), unit, |all| all.add(value, 1.0));
            !std::mem::replace(&mut waiting.is_ordered, true)
        };
        if is_first {
            self.0.order(DELAY);
        }
    }
}

impl Gatherer {
    pub(crate) fn new(kernel: &Kernel) -> Self {
        Self {
            kernel: kernel.clone(),
            waiting: Mutex::default(),
            turn: futures::lock::Mutex::new(()),
            known: Mutex::default(),
        }
    }

    /// Nothing is known of what is in the store any more.
    pub(crate) fn forget(&self) {
        *lock(&self.waiting) = Waiting::default();
        lock(&self.known).clear();
    }

    /// Has everything that waits written, whatever becomes of the call that wanted it.
    fn order(self: &Arc<Self>, delay: Duration) {
        let gatherer = Arc::clone(self);
        let env = self.kernel.env();
        let sleep = (!delay.is_zero()).then(|| env.clock.sleep(delay));
        env.spawn("cloudwatch.flush", async move {
            if let Some(sleep) = sleep {
                sleep.await;
            }
            gatherer.write_waiting().await;
        });
    }

    /// Returns once the points, and all that was counted before, are durable.
    pub(crate) async fn put(
        self: &Arc<Self>,
        points: &[(Named<'_>, Point)],
    ) -> Result<(), ServiceError> {
        let (tell, written) = oneshot::channel();
        {
            let mut waiting = lock(&self.waiting);
            points.iter().for_each(|(named, point)| waiting.merge(named, point));
            waiting.waiters.push(tell);
        }
        self.order(Duration::ZERO);
        let written = written.await.unwrap_or_else(|_| Err("the flush was given up".to_owned()));
        written.map_err(|reason| {
            ServiceError::internal(format!("metrics could not be written: {reason}"))
        })
    }

    /// Writes what was counted so far.
    pub(crate) async fn flush(self: &Arc<Self>) -> Result<(), ServiceError> {
        self.put(&[]).await
    }

    /// Writes points at once and to a store of the caller's: for a call that somebody watches.
    pub(crate) async fn put_on(
        &self,
        db: &Db,
        points: &[(Named<'_>, Point)],
    ) -> Result<(), ServiceError> {
        let mut waiting = Waiting::default();
        points.iter().for_each(|(named, point)| waiting.merge(named, point));
        write_all(db, waiting.slots.into_iter().map(|(id, slot)| (id, slot, true)).collect()).await
    }

    /// One flush at a time takes what is there; whoever comes meanwhile is served by the next.
    async fn write_waiting(&self) {
        let _turn = self.turn.lock().await;
        let taken = std::mem::take(&mut *lock(&self.waiting));
        let result = match taken.slots.is_empty() {
            true => Ok(()),
            false => self.write(self.kernel.db(), taken.slots).await,
        };
        if let Err(error) = &result {
            tracing::warn!(target: "undercast::cloudwatch", "metrics were lost: {error}");
        }
        let told = result.map_err(|error| error.to_string());
        for waiter in taken.waiters {
            let _ = waiter.send(told.clone());
        }
    }

    async fn write(&self, db: &Db, slots: HashMap<Id, Slot>) -> Result<(), ServiceError> {
        let hour = self.kernel.env().clock.now_ms().div_euclid(HOUR_MS);
        let slots: Vec<_> = {
            let known = lock(&self.known);
            let is_new = |id: &Id| known.get(id) != Some(&hour);
            slots.into_iter().map(|(id, slot)| (id, slot, is_new(&id))).collect()
        };
        let fresh: Vec<_> = slots.iter().filter(|(.., new)| *new).map(|(id, ..)| *id).collect();
        write_all(db, slots).await?;
        let mut known = lock(&self.known);
        if known.len() + fresh.len() > KNOWN_MAX {
            known.clear();
        }
        known.extend(fresh.into_iter().take(KNOWN_MAX).map(|id| (id, hour)));
        Ok(())
    }
}

/// What one transaction writes of a metric.
struct Piece {
    /// The metric's own row, if that is to be written.
    row: Option<(MetricKey, MetricRow)>,
    points: Vec<(PointKey, Aggregate)>,
}

async fn write_all(db: &Db, slots: Vec<(Id, Slot, bool)>) -> Result<(), ServiceError> {
    let mut pieces = Vec::new();
    let mut size = 0;
    for (id, slot, is_new) in slots {
        let id = id_text(&id);
        let mut row = is_new.then(|| {
            let Owned { mut key, dimensions } = slot.metric;
            key.4.clone_from(&id);
            (key, MetricRow { id: id.clone(), dimensions, written_ms: 0 })
        });
        for points in points_of(&id, slot.points).chunks(CHUNK) {
            size += points.len();
            pieces.push(Piece { row: row.take(), points: points.to_vec() });
            if size >= CHUNK {
                write_pieces(db, std::mem::take(&mut pieces)).await?;
                size = 0;
            }
        }
    }
    if pieces.is_empty() { Ok(()) } else { write_pieces(db, pieces).await }
}

/// The intervals of every resolution that the points go into.
fn points_of(id: &str, points: Points) -> Vec<(PointKey, Aggregate)> {
    let mut all: BTreeMap<PointKey, Aggregate> = BTreeMap::new();
    for ((start, own), of_units) in points {
        for (unit, aggregate) in of_units {
            for (seconds, _) in RESOLUTIONS.into_iter().filter(|(seconds, _)| *seconds >= own) {
                let start = start - start.rem_euclid(i64::from(seconds));
                let key = (id.to_owned(), seconds, start, unit.clone());
                all.entry(key).or_default().merge(&aggregate);
            }
        }
    }
    all.into_iter().collect()
}

async fn write_pieces(db: &Db, pieces: Vec<Piece>) -> Result<(), ServiceError> {
    let pieces = Arc::new(pieces);
    db.transact(|tx| {
        let pieces = Arc::clone(&pieces);
        async move {
            for piece in pieces.iter() {
                write_piece(&tx, piece).await?;
            }
            if pieces.iter().any(|piece| piece.row.is_some()) {
                sweep::ensure(&tx).await?;
            }
            Ok::<_, ServiceError>(())
        }
    })
    .await
}

async fn write_piece(tx: &Tx, piece: &Piece) -> Result<(), ServiceError> {
    if let Some((key, row)) = &piece.row {
        METRICS.put(tx, key, &MetricRow { written_ms: tx.now_ms(), ..row.clone() })?;
    }
    for (key, aggregate) in &piece.points {
        let mut all = POINTS.get(tx, key).await?.unwrap_or_default();
        all.merge(aggregate);
        POINTS.put(tx, key, &all)?;
    }
    Ok(())
}
