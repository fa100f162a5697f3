//! The pollers of a log in shards. Each shard has as many lanes as `ParallelizationFactor` says; all records of
//! a key are in one lane, and a lane works off one batch after the other.
//!
//! A lane holds nothing that matters: how far it has come is a row that moves once a batch is dealt with, so a
//! crash repeats a batch and never passes one over. A failed batch keeps what comes behind it waiting until it
//! succeeds, is split, or is given up.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::{Either, select};
use serde_json::Value;
use tokio::sync::{Mutex, OwnedMutexGuard, watch};
use undercast_kernel::{Arn, Context, Kernel, ServiceError, StreamRecord, StreamSource};
use undercast_store::{Tx, Watch};

use super::MappingKey;
use super::caller::{
    BACKOFF_FIRST, BACKOFF_MAX, Caller, EVENT_BYTES_MAX, patterns, unless_stopped,
};
use super::event::failures;
use super::failed::{Failed, report};
use super::filter::Pattern;
use super::lease::Lease;
use super::window::{self, Window};
use crate::functions::{Functions, Outcome};
use crate::store::{
    CHECKPOINTS, CheckpointRow, LEASES, MAPPINGS, MappingRow, RESULTS, StreamMappingRow, WindowRow,
};

const GONE: &str = "ResourceNotFoundException";
/// How many records one read gives at most.
const READ_MAX: usize = 1_000;
/// So many records that are none of this lane are read before that is noted.
const SKIPPED_MAX: u64 = 1_000;

/// Lanes of an earlier version of a mapping end before those of the next one begin.
pub(super) type Gate = Arc<Mutex<()>>;

/// When the lanes of a mapping may run.
pub(super) struct Turn {
    pub(super) gate: Gate,
    pub(super) node: u64,
}

pub(super) struct StreamPoller {
    shared: Arc<Shared>,
    turn: Turn,
    stopped: watch::Receiver<()>,
}

struct Shared {
    caller: Caller,
    key: MappingKey,
    row: MappingRow,
    stream: StreamMappingRow,
    filters: Vec<Pattern>,
    source: Arc<dyn StreamSource>,
}

impl StreamPoller {
    /// `None` if nobody has such logs.
    pub(super) fn new(
        kernel: &Kernel,
        functions: &Arc<Functions>,
        key: &MappingKey,
        row: &MappingRow,
        turn: Turn,
        stopped: watch::Receiver<()>,
    ) -> Option<Self> {
        let (account, region, uuid) = key;
        let ctx = kernel.service_context("lambda.amazonaws.com", account, region);
        let service = Arn::parse(&row.source)?.service;
        let shared = Shared {
            caller: Caller::new(functions, ctx, row, uuid),
            key: key.clone(),
            stream: row.stream.clone()?,
            filters: patterns(row),
            source: Arc::clone(kernel.stream_source(&service)?),
            row: row.clone(),
        };
        Some(Self { shared: Arc::new(shared), turn, stopped })
    }

    /// Runs the lanes until it is stopped; where the store is shared, while this node has the lease.
    pub(super) async fn run(mut self) {
        let ctx = self.shared.caller.ctx.clone();
        if !ctx.store().is_shared() {
            let stopped = self.stopped.clone();
            return self.start(None, stopped).await;
        }
        let uuid = self.shared.caller.uuid.clone();
        let lease = Lease { ctx, uuid, node: self.turn.node };
        while let Some(holder) = lease.acquire(&mut self.stopped).await {
            let (_stop, stopped) = watch::channel(());
            let mut until = self.stopped.clone();
            let kept = lease.keep(holder, &mut until);
            let started = self.start(Some(holder), stopped);
            let (kept, ()) = futures::future::join(kept, started).await;
            if kept.is_none() {
                return;
            }
        }
    }

    /// Starts the lanes.
    async fn start(&mut self, holder: Option<u64>, stopped: watch::Receiver<()>) {
        let gate = Arc::clone(&self.turn.gate).lock_owned();
        let Some(gate) = unless_stopped(&mut self.stopped, gate).await else {
            return;
        };
        let gate = Arc::new(gate);
        let shared = &self.shared;
        let mut backoff = BACKOFF_FIRST;
        let shards = loop {
            match shared.shards().await {
                Ok(shards) => break shards,
                Err(error) if error.code() == GONE => {
                    // Deleted long ago: there is nothing to read, and never will be.
                    shared.note(&format!("PROBLEM: Stream not found: {}", shared.row.source)).await;
                    let for_ever = futures::future::pending::<()>();
                    unless_stopped(&mut self.stopped, for_ever).await;
                    return;
                }
                Err(error) => {
                    shared.note(&format!("PROBLEM: {}", error.message())).await;
                    tracing::warn!("{} cannot be read: {error}", shared.row.source);
                    let pause = shared.caller.ctx.env().clock.sleep(backoff);
                    backoff = (backoff * 2).min(BACKOFF_MAX);
                    if unless_stopped(&mut self.stopped, pause).await.is_none() {
                        return;
                    }
                }
            }
        };
        for shard in shards {
            for lane in 0..shared.stream.factor {
                let lane = Lane {
                    shared: Arc::clone(shared),
                    shard: shard.clone(),
                    lane,
                    holder,
                    stopped: stopped.clone(),
                    buffer: VecDeque::new(),
                    read_at: 0,
                    saved: 0,
                    window: None,
                    result: None,
                    _gate: Arc::clone(&gate),
                };
                shared.caller.ctx.env().spawn("lambda.lane", lane.run());
            }
        }
    }
}

/// Why a lane does not go on.
enum Halt {
    Stopped,
    /// The shard has closed and is worked off.
    End,
    Failed(ServiceError),
}

impl From<ServiceError> for Halt {
    fn from(error: ServiceError) -> Self {
        Self::Failed(error)
    }
}

impl From<undercast_store::Error> for Halt {
    fn from(error: undercast_store::Error) -> Self {
        Self::Failed(error.into())
    }
}

struct Lane {
    shared: Arc<Shared>,
    shard: String,
    lane: u32,
    /// Of the lease, where the store is shared.
    holder: Option<u64>,
    stopped: watch::Receiver<()>,
    /// What was read and not yet given to the function.
    buffer: VecDeque<Item>,
    read_at: u64,
    /// The position that is kept.
    saved: u64,
    window: Option<WindowRow>,
    /// The last result that was noted.
    result: Option<&'static str>,
    _gate: Arc<OwnedMutexGuard<()>>,
}

/// A record, and the JSON that the function gets of it.
struct Item {
    record: StreamRecord,
    text: String,
}

/// Records that are given to the function together.
struct Part {
    items: Vec<Item>,
    /// A tumbling window ends; no records.
    is_final: bool,
}

/// What an invocation has come to.
enum Verdict {
    Done,
    /// None of the records has been dealt with.
    AllFailed,
    /// Those before this one have.
    FailedFrom(usize),
}

/// How long a batch that failed has been tried.
#[derive(Default)]
struct Tries {
    count: u32,
    request_id: String,
    outcome: Option<Outcome>,
}

impl Lane {
    async fn run(mut self) {
        let mut backoff = BACKOFF_FIRST;
        loop {
            match self.work(&mut backoff).await {
                Halt::Stopped | Halt::End => return,
                Halt::Failed(error) if error.code() == GONE => return,
                Halt::Failed(error) => {
                    let (source, function) = (&self.shared.row.source, &self.shared.row.function);
                    tracing::warn!("{source} cannot be read for {function}: {error}");
                    if self.pause(&mut backoff).await.is_err() {
                        return;
                    }
                }
            }
        }
    }

    /// Works off the shard from where the kept position says.
    async fn work(&mut self, backoff: &mut Duration) -> Halt {
        let mut changes = match self.begin().await {
            Ok(changes) => changes,
            Err(halt) => return halt,
        };
        loop {
            let part = match self.gather(&mut changes).await {
                Ok(part) => part,
                Err(halt) => return halt,
            };
            if let Err(halt) = self.deliver(part).await {
                return halt;
            }
            *backoff = BACKOFF_FIRST;
        }
    }

    async fn begin(&mut self) -> Result<Watch, Halt> {
        let shared = &self.shared;
        let ctx = shared.caller.ctx.clone();
        let (arn, shard) = (shared.row.source.clone(), self.shard.clone());
        // Before the first read: what comes after it is told.
        let changes = shared.source.watch(ctx.clone(), arn.clone(), shard.clone()).await?;
        let key = (shared.caller.uuid.clone(), shard.clone(), self.lane);
        let kept = CHECKPOINTS.read(ctx.store(), &key).await?;
        let kept = match kept {
            Some(kept) => kept,
            None => {
                let start = super::settings::start(&shared.stream);
                let position = shared.source.start(ctx, arn, shard, start).await?;
                // It begins there for good.
                self.save(position, None).await?;
                CheckpointRow { position, window: None }
            }
        };
        self.buffer.clear();
        self.read_at = kept.position;
        self.saved = kept.position;
        self.window = kept.window;
        Ok(changes)
    }

    async fn pause(&mut self, backoff: &mut Duration) -> Result<(), Halt> {
        let pause = self.shared.caller.ctx.env().clock.sleep(*backoff);
        *backoff = (*backoff * 2).min(BACKOFF_MAX);
        unless_stopped(&mut self.stopped, pause).await.ok_or(Halt::Stopped)
    }

    /// The next batch: what is there, or what comes within the window after the first record.
    async fn gather(&mut self, changes: &mut Watch) -> Result<Part, Halt> {
        let clock = Arc::clone(&self.shared.caller.ctx.env().clock);
        let wanted = usize::try_from(self.shared.row.batch_size).unwrap_or(1);
        let window = Duration::from_secs(u64::from(self.shared.row.window_s));
        let (mut items, mut bytes, mut until) = (Vec::new(), 0, None);
        if self.stopped.has_changed().is_err() {
            return Err(Halt::Stopped);
        }
        loop {
            if self.take(&mut items, &mut bytes, wanted) {
                return Ok(Part { is_final: items.is_empty(), items });
            }
            if !items.is_empty() && until.is_none() {
                until = Some(clock.monotonic() + window);
            }
            let left = until.map(|until: Duration| until.saturating_sub(clock.monotonic()));
            if left.is_some_and(|left| left.is_zero()) {
                return Ok(Part { items, is_final: false });
            }
            let (any, is_end) = self.read(wanted - items.len()).await?;
            if any {
                continue;
            }
            match (items.is_empty(), is_end, &self.window) {
                (false, true, _) => return Ok(Part { items, is_final: false }),
                (true, true, None) => return Err(Halt::End),
                _ => {}
            }
            let window_end = self.window.as_ref().map(|w| w.start_ms + self.tumbling_ms());
            let timer = match (left, window_end) {
                (Some(left), _) => clock.sleep(left),
                (None, Some(end_ms)) => clock.sleep_until_ms(end_ms),
                (None, None) => futures::future::pending().boxed(),
            };
            let woken = select(changes.changed().boxed(), timer);
            let woken = unless_stopped(&mut self.stopped, woken).await.ok_or(Halt::Stopped)?;
            let is_over = matches!(woken, Either::Right(_));
            drop(woken);
            if is_over && items.is_empty() {
                return Ok(Part { items, is_final: true });
            }
        }
    }

    /// Moves records from the buffer to the batch; true says that the batch is complete. An empty batch that is
    /// complete ends the window.
    fn take(&mut self, items: &mut Vec<Item>, bytes: &mut usize, wanted: usize) -> bool {
        while let Some(next) = self.buffer.front() {
            let is_full = *bytes + next.text.len() > EVENT_BYTES_MAX && !items.is_empty();
            if items.len() >= wanted || is_full {
                return true;
            }
            if self.shared.stream.tumbling_s > 0 {
                let start_ms = window::start(next.record.at_ms, self.tumbling_ms());
                let own = self.window.get_or_insert_with(|| WindowRow {
                    start_ms,
                    state: window::NO_STATE.to_owned(),
                });
                if own.start_ms != start_ms || window::is_too_large(own) {
                    return true;
                }
            }
            *bytes += next.text.len();
            items.extend(self.buffer.pop_front());
        }
        items.len() >= wanted || (items.is_empty() && self.window_is_full())
    }

    fn window_is_full(&self) -> bool {
        self.window.as_ref().is_some_and(window::is_too_large)
    }

    fn tumbling_ms(&self) -> i64 {
        i64::from(self.shared.stream.tumbling_s) * 1000
    }

    /// Reads on. Answers whether there was anything, and whether that was all there will ever be.
    async fn read(&mut self, wanted: usize) -> Result<(bool, bool), Halt> {
        let shared = Arc::clone(&self.shared);
        let lanes = u64::from(shared.stream.factor);
        let limit = wanted.saturating_mul(usize::try_from(lanes).unwrap_or(1)).min(READ_MAX);
        let (ctx, arn) = (shared.caller.ctx.clone(), shared.row.source.clone());
        let page = shared.source.read(ctx, arn, self.shard.clone(), self.read_at, limit).await?;
        let any = page.next > self.read_at;
        self.read_at = page.next;
        for record in page.records {
            let is_own = record.group % lanes == u64::from(self.lane);
            if is_own && shared.wants(&record.body) {
                let text = record.body.to_string();
                self.buffer.push_back(Item { record, text });
            }
        }
        if self.buffer.is_empty() && self.read_at - self.saved >= SKIPPED_MAX {
            self.save(self.read_at, self.result).await?;
        }
        Ok((any, page.is_end))
    }

    /// Gives the batch to the function until it is dealt with, in parts where it is split.
    async fn deliver(&mut self, part: Part) -> Result<(), Halt> {
        let mut parts = VecDeque::from([part]);
        while let Some(part) = parts.pop_front() {
            if let Some((first, second)) = self.deliver_part(part).await? {
                parts.push_front(second);
                parts.push_front(first);
            }
        }
        Ok(())
    }

    /// The same for one part; answers its halves if it has to be split.
    async fn deliver_part(&mut self, mut part: Part) -> Result<Option<(Part, Part)>, Halt> {
        let mut tries = Tries::default();
        let mut backoff = BACKOFF_FIRST;
        loop {
            self.drop_old(&mut part, &tries).await?;
            if part.items.is_empty() && !part.is_final {
                return Ok(None);
            }
            if !self.call(&part, &mut tries).await? {
                self.pause(&mut backoff).await?;
                continue;
            }
            let verdict = match &tries.outcome {
                Some(outcome) => self.judge(&part, outcome),
                None => Verdict::AllFailed,
            };
            match verdict {
                Verdict::Done => {
                    self.done(&part, tries.outcome.as_ref()).await?;
                    return Ok(None);
                }
                Verdict::AllFailed if self.shared.stream.bisect && part.items.len() > 1 => {
                    let second = part.items.split_off(part.items.len() / 2);
                    self.note(super::FAILED).await?;
                    return Ok(Some((part, Part { items: second, is_final: false })));
                }
                Verdict::AllFailed => self.note(super::FAILED).await?,
                Verdict::FailedFrom(first) => {
                    part.items.drain(..first);
                    let from = part.items.first().map_or(self.saved, |item| item.record.position);
                    self.save(from, Some(super::FAILED)).await?;
                }
            }
            if self.shared.stream.retries_max.is_some_and(|max| tries.count > max) {
                self.give_up(&part, "RetryAttemptsExhausted", &tries).await?;
                return Ok(None);
            }
            self.pause(&mut backoff).await?;
        }
    }

    /// Calls the function once; false if that did not come to pass.
    async fn call(&mut self, part: &Part, tries: &mut Tries) -> Result<bool, Halt> {
        let shared = Arc::clone(&self.shared);
        let caller = &shared.caller;
        let target = match caller.target().await {
            Err(error) if error.code() == "ResourceNotFoundException" => {
                let created = caller.function_changes();
                // It may have come before the watch did.
                if caller.target().await.is_err() {
                    unless_stopped(&mut self.stopped, created).await.ok_or(Halt::Stopped)?;
                }
                return Ok(false);
            }
            other => other?,
        };
        let request_id = caller.ctx.env().ids.uuid();
        let payload = self.payload(part);
        let outcome = match caller.invoke(&target, request_id.clone(), payload).await {
            Err(error) if error.code() == "TooManyRequestsException" => return Ok(false),
            Err(error) => {
                tracing::warn!("{} could not run: {error}", shared.row.function);
                None
            }
            Ok(outcome) => Some(outcome),
        };
        *tries = Tries { count: tries.count + 1, request_id, outcome };
        Ok(true)
    }

    fn payload(&self, part: &Part) -> Bytes {
        let texts: Vec<&str> = part.items.iter().map(|item| item.text.as_str()).collect();
        let mut event = format!("{{\"Records\":[{}]", texts.join(","));
        if let Some(row) = &self.window {
            event.push_str(&window::fields(&Window {
                row,
                length_ms: self.tumbling_ms(),
                shard: &self.shard,
                source: &self.shared.row.source,
                is_final: part.is_final,
            }));
        }
        event.push('}');
        event.into()
    }

    fn judge(&self, part: &Part, outcome: &Outcome) -> Verdict {
        if outcome.error.is_some() {
            return Verdict::AllFailed;
        }
        if !self.shared.row.partial || part.is_final {
            return Verdict::Done;
        }
        let ids: BTreeSet<&str> =
            part.items.iter().map(|item| item.record.sequence.as_str()).collect();
        let Some(failed) = failures(&outcome.payload, &ids) else {
            return Verdict::AllFailed;
        };
        let first = part.items.iter().position(|item| failed.contains(&item.record.sequence));
        first.map_or(Verdict::Done, Verdict::FailedFrom)
    }

    async fn done(&mut self, part: &Part, outcome: Option<&Outcome>) -> Result<(), Halt> {
        if part.is_final {
            self.window = None;
        } else if let (Some(window), Some(outcome)) = (&mut self.window, outcome) {
            window.state = window::state_of(&outcome.payload);
        }
        self.save_behind(part, "OK").await
    }

    /// Records that are older than the mapping wants are given up.
    async fn drop_old(&mut self, part: &mut Part, tries: &Tries) -> Result<(), Halt> {
        let Some(age_s) = self.shared.stream.age_s_max else {
            return Ok(());
        };
        let oldest_ms = self.shared.caller.ctx.now_ms() - i64::from(age_s) * 1000;
        let old = part.items.iter().take_while(|item| item.record.at_ms < oldest_ms).count();
        if old == 0 {
            return Ok(());
        }
        let rest = part.items.split_off(old);
        let old = Part { items: std::mem::replace(&mut part.items, rest), is_final: false };
        self.give_up(&old, "EventAgeExceeded", tries).await
    }

    async fn give_up(&mut self, part: &Part, condition: &str, tries: &Tries) -> Result<(), Halt> {
        if part.is_final {
            self.window = None;
        }
        let shared = Arc::clone(&self.shared);
        if let (Some(first), Some(last), Some(queue)) =
            (part.items.first(), part.items.last(), &shared.stream.on_failure)
        {
            let failed = Failed {
                function: &shared.row.function,
                source: &shared.row.source,
                shard: &self.shard,
                condition,
                request_id: &tries.request_id,
                attempts: tries.count,
                outcome: tries.outcome.as_ref(),
                first: &first.record,
                last: &last.record,
                count: part.items.len(),
            };
            report(&shared.caller, queue, &failed).await?;
        }
        self.save_behind(part, super::FAILED).await
    }

    async fn save_behind(&mut self, part: &Part, result: &'static str) -> Result<(), Halt> {
        let behind = part.items.last().map_or(self.saved, |item| item.record.position + 1);
        self.save(behind, Some(result)).await
    }

    async fn note(&mut self, result: &'static str) -> Result<(), Halt> {
        if self.result == Some(result) {
            return Ok(());
        }
        self.save(self.saved, Some(result)).await
    }

    /// Keeps how far this lane has come, as long as its mapping is there.
    async fn save(&mut self, position: u64, result: Option<&'static str>) -> Result<(), Halt> {
        let shared = &self.shared;
        let key = (shared.caller.uuid.clone(), self.shard.clone(), self.lane);
        let row = CheckpointRow { position, window: self.window.clone() };
        let (key, row, holder) = (&key, &row, self.holder);
        let news = result.filter(|_| result != self.result);
        let saved = shared.caller.ctx.store().transact(move |tx| async move {
            // Where there are more or fewer lanes by now, this one has no say in what each has done.
            let now = MAPPINGS.get(&tx, &shared.key).await?.and_then(|row| row.stream);
            if now.is_none_or(|now| now.factor != shared.stream.factor) {
                return Ok(false);
            }
            if let Some(holder) = holder {
                let lease = LEASES.get(&tx, &(key.0.clone(),)).await?;
                if lease.is_none_or(|lease| lease.holder != holder) {
                    return Ok(false);
                }
            }
            CHECKPOINTS.put(&tx, key, row)?;
            if let Some(result) = news {
                RESULTS.put(&tx, &(key.0.clone(),), &result.to_owned())?;
            }
            Ok::<_, ServiceError>(true)
        });
        if !saved.await? {
            return Err(Halt::Stopped);
        }
        self.saved = position;
        self.result = result;
        Ok(())
    }
}

impl Shared {
    /// The shards, as the function's role may read them.
    async fn shards(&self) -> Result<Vec<String>, ServiceError> {
        let ctx = &self.caller.ctx;
        if let (Ok(target), Some(arn)) = (self.caller.target().await, Arn::parse(&self.row.source))
        {
            super::check_role(&self.caller.as_role(&target).await?, &arn).await?;
        }
        self.source.shards(ctx.clone(), self.row.source.clone()).await
    }

    /// Keeps a result of the mapping as a whole.
    async fn note(&self, result: &str) {
        let uuid = &self.caller.uuid;
        let noted = self.caller.ctx.store().transact(move |tx| async move {
            if MAPPINGS.get(&tx, &self.key).await?.is_some() {
                RESULTS.put(&tx, &(uuid.clone(),), &result.to_owned())?;
            }
            Ok::<_, ServiceError>(())
        });
        if let Err(error) = noted.await {
            tracing::warn!("{uuid}: {error}");
        }
    }

    fn wants(&self, record: &Value) -> bool {
        self.filters.is_empty() || self.filters.iter().any(|filter| filter.matches(record))
    }
}

/// Where the shards of a log begin for a new mapping.
pub(crate) async fn positions(
    ctx: &Context,
    source: &Arc<dyn StreamSource>,
    arn: &str,
    stream: &StreamMappingRow,
) -> Result<Vec<(String, u64)>, ServiceError> {
    let start = super::settings::start(stream);
    let mut positions = Vec::new();
    for shard in source.shards(ctx.clone(), arn.to_owned()).await? {
        let at = source.start(ctx.clone(), arn.to_owned(), shard.clone(), start).await?;
        positions.push((shard, at));
    }
    Ok(positions)
}

/// In the transaction that changes how many lanes a shard has: all of them go on where the slowest stands.
pub(crate) async fn relane(tx: &Tx, uuid: &str, factor: u32) -> Result<(), ServiceError> {
    let range = CHECKPOINTS.prefix(&(uuid,));
    let rows = CHECKPOINTS.scan(tx, range, 10_000, false).await?;
    let mut slowest = std::collections::BTreeMap::new();
    for (key, row) in rows {
        // Read again: a lane may move its own meanwhile.
        let row = CHECKPOINTS.get(tx, &key).await?.unwrap_or(row);
        let at = slowest.entry(key.1.clone()).or_insert(row.position);
        *at = row.position.min(*at);
        CHECKPOINTS.delete(tx, &key)?;
    }
    for (shard, position) in slowest {
        for lane in 0..factor {
            let row = CheckpointRow { position, window: None };
            CHECKPOINTS.put(tx, &(uuid.to_owned(), shard.clone(), lane), &row)?;
        }
    }
    Ok(())
}

/// In the transaction that deletes a mapping.
pub(crate) async fn forget(tx: &Tx, uuid: &str) -> Result<(), ServiceError> {
    for (key, _) in tx.range(CHECKPOINTS.prefix(&(uuid,)), 10_000, false).await? {
        tx.delete(key)?;
    }
    RESULTS.delete(tx, &(uuid.to_owned(),))?;
    LEASES.delete(tx, &(uuid.to_owned(),))?;
    Ok(())
}
