//! One run under way: admission, the bounded pool, the comparison, the tally.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_bytes::ByteBuf;
use tokio::sync::{Mutex as AsyncMutex, Semaphore};
use undercast_kernel::{Given, Kernel, OutsideRule, Pair, ServiceError, Side};

use super::candidate::{Trial, Tried, run};
use super::machine::Machine;
use super::pair::Passing;
use super::passage::Passage;
use crate::compare::{Answer, CompiledRules, Observed, compare};
use crate::ledger::{Batch, Ledger, RecordedPair, Tally};
use crate::releases::spawn_step;
use crate::store::{
    CandidateRow, PASSAGES, RECORDED, REFUSED, RELEASES, RecordedRow, RunKey, RunRow, RunState,
};

/// How long counts may wait before they are written.
const FLUSH_AFTER: Duration = Duration::from_secs(1);
/// Recorded passages that wait to be written.
const RECORDS_WAITING_MAX: usize = 200;
const HOSTS_MAX: usize = 100;
/// After so many failures in a row a candidate rests, longer after each further one; some weigh more.
const FAILURES_MAX: u32 = 10;
const REST_MAX: Duration = Duration::from_secs(60);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) struct Active {
    pub(super) kernel: Kernel,
    pub(crate) key: RunKey,
    pub(crate) row: RunRow,
    pub(crate) rules: CompiledRules,
    outside: Arc<[OutsideRule]>,
    running: Semaphore,
    state: Arc<Shared>,
}

/// What outlives a change of the run's rules.
struct Shared {
    noted: Mutex<Noted>,
    /// Held while a flush is under way; what one could not write is tried again by the next.
    unwritten: AsyncMutex<Option<Unwritten>>,
    /// Passages between admission and the end of their candidate.
    under_way: AtomicUsize,
    is_flushing: AtomicBool,
    burning: Mutex<Burning>,
}

/// What has been found and not been written.
struct Noted {
    tally: Tally,
    /// Passages that samples name.
    passages: HashMap<String, Vec<u8>>,
    /// Passages of a recording, with their times.
    recorded: Vec<(i64, Vec<u8>)>,
    refused: BTreeSet<String>,
}

struct Unwritten {
    batch: Option<Batch>,
    passages: HashMap<String, Vec<u8>>,
    recorded: Vec<(i64, Vec<u8>)>,
    refused: BTreeSet<String>,
}

impl Shared {
    fn new(writer: u64) -> Self {
        let noted = Noted {
            tally: Tally::new(writer),
            passages: HashMap::new(),
            recorded: Vec::new(),
            refused: BTreeSet::new(),
        };
        Self {
            noted: Mutex::new(noted),
            unwritten: AsyncMutex::default(),
            under_way: AtomicUsize::new(0),
            is_flushing: AtomicBool::new(false),
            burning: Mutex::default(),
        }
    }
}

/// A candidate that fails again and again rests.
#[derive(Default)]
struct Burning {
    failures: u32,
    until: Duration,
}

/// One passage's place in the pool.
pub(super) struct Place(Arc<Shared>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Active {
    /// `before` is the same run with other settings.
    pub(super) fn new(
        kernel: Kernel,
        key: RunKey,
        row: RunRow,
        before: Option<&Active>,
    ) -> Result<Self, ServiceError> {
        let rules = row.rules.compile().map_err(|e| ServiceError::internal(e.to_string()))?;
        let state = match before {
            Some(active) => Arc::clone(&active.state),
            None => Arc::new(Shared::new(kernel.env().ids.u64())),
        };
        Ok(Self {
            kernel,
            key,
            rules,
            outside: row.outside.clone().into(),
            running: Semaphore::new(row.limits.concurrency),
            row,
            state,
        })
    }

    /// Whether this passage is taken, and why not.
    pub(super) fn admit(self: &Arc<Self>, machine: &Machine) -> Option<Arc<dyn Pair>> {
        let now_ms = self.kernel.env().clock.now_ms();
        let is_in_sample = self.is_in_sample();
        {
            let mut noted = lock(&self.state.noted);
            noted.tally.seen(1, now_ms);
            if is_in_sample {
                noted.tally.sampled(now_ms);
            }
        }
        if !is_in_sample {
            self.flush_soon();
            return None;
        }
        if let Some(reason) = self.reason_to_shed(machine) {
            self.shed(reason);
            return None;
        }
        self.state.under_way.fetch_add(1, Ordering::AcqRel);
        Some(Arc::new(Passing {
            side: Side::primary(self.kernel.db()),
            place: Mutex::new(Some(Place(Arc::clone(&self.state)))),
            started_ms: now_ms,
            active: Arc::clone(self),
        }))
    }

    fn shed(&self, reason: &str) {
        let now_ms = self.kernel.env().clock.now_ms();
        lock(&self.state.noted).tally.shed(reason, now_ms);
        self.flush_soon();
    }

    fn is_in_sample(&self) -> bool {
        self.kernel.env().ids.fraction() < self.row.share
    }

    fn reason_to_shed(&self, machine: &Machine) -> Option<&'static str> {
        if self.row.state != RunState::Running {
            return Some("paused");
        }
        let limits = &self.row.limits;
        if self.state.under_way.load(Ordering::Acquire) >= limits.concurrency + limits.waiting_max {
            return Some("busy");
        }
        if self.kernel.env().clock.monotonic() < lock(&self.state.burning).until {
            return Some("burning");
        }
        machine.is_short().then_some("machine")
    }

    /// How many failures in a row have made the candidate rest.
    pub(crate) fn resting(&self) -> Option<u32> {
        let burning = lock(&self.state.burning);
        (self.kernel.env().clock.monotonic() < burning.until).then_some(burning.failures)
    }

    /// Runs the candidate and compares.
    pub(super) async fn try_candidate(
        &self,
        place: Place,
        side: &Side,
        given: Given,
        mut primary: Observed,
    ) {
        if let CandidateRow::Url { is_safe, .. } = &self.row.candidate {
            if !is_safe && !is_read(&given) {
                return self.shed("unsafe");
            }
            // What happens elsewhere cannot be seen.
            primary.effects.clear();
        }
        if !side.is_whole() {
            return self.shed("large");
        }
        let Ok(permit) = self.running.acquire().await else { return };
        let trial = Trial {
            kernel: &self.kernel,
            key: &self.key,
            target: &self.row.target,
            candidate: &self.row.candidate,
            outside: &self.outside,
            budget: Duration::from_millis(self.row.limits.budget_ms),
            primary: Some(side),
        };
        if self.resting().is_some() {
            return self.shed("burning");
        }
        let Tried { observed: mut candidate, refused, was_cold } = run(&trial, given.clone()).await;
        drop(permit);
        if matches!(&candidate.answer, Answer::Failed { kind, .. } if kind == "Throttled") {
            // No instance was free: that is our bound, not the candidate's fault.
            return self.shed("instances");
        }
        lock(&self.state.burning).note(&candidate.answer, self.kernel.env().clock.monotonic());
        let candidate_ms = candidate.duration_ms;
        if was_cold {
            candidate.duration_ms = primary.duration_ms;
        }
        let verdict = compare(&primary, &candidate, &self.rules);
        let now_ms = self.kernel.env().clock.now_ms();
        let passage = || Passage::new(&given, &primary, side).encode();
        // Not under the lock: every primary that is admitted waits for that.
        let kept = self.row.recording.as_ref().and_then(|_| passage());
        {
            let mut noted = lock(&self.state.noted);
            let Noted { tally, passages, recorded, refused: hosts } = &mut *noted;
            hosts.extend(refused.into_iter().take(HOSTS_MAX.saturating_sub(hosts.len())));
            tally.note(&verdict, primary.duration_ms, candidate_ms, now_ms, || {
                let id = self.kernel.env().ids.hex(16);
                if passages.len() < RECORDS_WAITING_MAX
                    && let Some(passage) = kept.clone().or_else(passage)
                {
                    passages.insert(id.clone(), passage);
                }
                RecordedPair { id }
            });
            if recorded.len() < RECORDS_WAITING_MAX
                && let Some(passage) = kept
            {
                recorded.push((now_ms, passage));
            }
        }
        drop(place);
        self.flush_soon();
    }

    /// Writes the counts in a moment, with all that come until then.
    fn flush_soon(&self) {
        if self.state.is_flushing.swap(true, Ordering::AcqRel) {
            return;
        }
        let (kernel, key, run) = (self.kernel.clone(), self.key.clone(), self.row.clone());
        let state = Arc::clone(&self.state);
        let env = kernel.env().clone();
        env.spawn("dark.flush", async move {
            kernel.env().clock.sleep(FLUSH_AFTER).await;
            state.is_flushing.store(false, Ordering::Release);
            if let Err(error) = flush(&kernel, &key, &run, &state).await {
                tracing::warn!(target: "undercast::release", "counts of a dark run are lost: {error}");
            }
        });
    }

    pub(crate) async fn flush(&self) -> Result<(), ServiceError> {
        flush(&self.kernel, &self.key, &self.row, &self.state).await
    }
}

async fn flush(
    kernel: &Kernel,
    key: &RunKey,
    run: &RunRow,
    state: &Shared,
) -> Result<(), ServiceError> {
    let mut unwritten = state.unwritten.lock().await;
    if let Some(old) = unwritten.take() {
        let old = Arc::new(old);
        if let Err(error) = write(kernel, key, run, Arc::clone(&old)).await {
            *unwritten = Arc::into_inner(old);
            return Err(error);
        }
    }
    let new = {
        let mut noted = lock(&state.noted);
        Unwritten {
            batch: noted.tally.take(),
            passages: std::mem::take(&mut noted.passages),
            recorded: std::mem::take(&mut noted.recorded),
            refused: std::mem::take(&mut noted.refused),
        }
    };
    if new.batch.is_none() {
        return Ok(());
    }
    let new = Arc::new(new);
    let written = write(kernel, key, run, Arc::clone(&new)).await;
    if written.is_err() {
        *unwritten = Arc::into_inner(new);
    }
    written
}

/// Passages beside the counts: each chunk is one transaction, the counts come last and name what is there.
async fn write(
    kernel: &Kernel,
    key: &RunKey,
    run: &RunRow,
    new: Arc<Unwritten>,
) -> Result<(), ServiceError> {
    let passages: Vec<&String> = new.passages.keys().collect();
    for chunk in passages.chunks(CHUNK) {
        let (db, ids) = (kernel.db(), chunk);
        db.transact(|tx| {
            let (new, run, ids) = (Arc::clone(&new), run.id.clone(), ids.to_vec());
            async move {
                for id in ids {
                    if let Some(passage) = new.passages.get(id) {
                        let row = RecordedRow { passage: ByteBuf::from(passage.clone()) };
                        PASSAGES.put(&tx, &(run.clone(), id.clone()), &row)?;
                    }
                }
                Ok::<_, ServiceError>(())
            }
        })
        .await?;
    }
    for chunk in new.recorded.chunks(CHUNK) {
        kernel
            .db()
            .transact(|tx| {
                let chunk = chunk.to_vec();
                async move { record(&tx, run, &chunk).await }
            })
            .await?;
    }
    kernel
        .db()
        .transact(move |tx| {
            let (new, token, run) = (Arc::clone(&new), run.client_token.clone(), run.id.clone());
            async move {
                // A release that waits for these counts looks at them.
                let release = RELEASES.get(&tx, key).await?;
                if release
                    .is_some_and(|row| token.as_ref() == Some(&row.id) && !row.state.is_final())
                {
                    spawn_step(&tx, key, tx.now_ms())?;
                }
                if let Some(batch) = &new.batch {
                    for unused in Ledger::default().flush(&tx, &run, batch).await? {
                        PASSAGES.delete(&tx, &(run.clone(), unused))?;
                    }
                }
                if !new.refused.is_empty() {
                    let key = (run,);
                    let mut row = REFUSED.get(&tx, &key).await?.unwrap_or_default();
                    let room = HOSTS_MAX.saturating_sub(row.hosts.len());
                    row.hosts.extend(new.refused.iter().take(room).cloned());
                    REFUSED.put(&tx, &key, &row)?;
                }
                Ok::<_, ServiceError>(())
            }
        })
        .await
}

/// How many passages one transaction writes, at most 256 KiB each.
const CHUNK: usize = 20;

async fn record(
    tx: &undercast_store::Tx,
    run: &RunRow,
    chunk: &[(i64, Vec<u8>)],
) -> Result<(), ServiceError> {
    let Some(recording) = &run.recording else { return Ok(()) };
    for (at_ms, passage) in chunk {
        let key = (run.id.clone(), u64::try_from(*at_ms).unwrap_or(0), tx.ids().u64());
        RECORDED.put(tx, &key, &RecordedRow { passage: ByteBuf::from(passage.clone()) })?;
        tx.add(RECORDED.key(&(COUNT, run.id.as_str())), 1)?;
    }
    trim(tx, &run.id, recording).await
}

/// Stands where the id of a run stands, which is longer.
pub(crate) const COUNT: &str = "#";
/// Old records that one flush takes away.
const TRIM_MAX: usize = 2 * CHUNK;

/// Takes away what is too old or too many.
async fn trim(
    tx: &undercast_store::Tx,
    run: &str,
    recording: &crate::store::RecordingRow,
) -> Result<(), ServiceError> {
    let count_key = RECORDED.key(&(COUNT, run));
    let count = u64::try_from(tx.sum(&count_key).await?).unwrap_or(0);
    let excess = usize::try_from(count.saturating_sub(recording.pairs_max)).unwrap_or(TRIM_MAX);
    let hours = i64::try_from(recording.hours).unwrap_or(i64::MAX / 3_600_000);
    let oldest = u64::try_from(tx.now_ms().saturating_sub(hours * 3_600_000)).unwrap_or(0);
    let rows =
        RECORDED.scan(tx, RECORDED.prefix(&(run,)), TRIM_MAX.min(excess.max(8)), false).await?;
    let mut removed = 0;
    for (place, (key, _)) in rows.iter().enumerate() {
        if place < excess || key.1 < oldest {
            RECORDED.delete(tx, key)?;
            removed += 1;
        }
    }
    if removed > 0 {
        tx.add(count_key, -removed)?;
    }
    Ok(())
}

/// Whether it may be asked of anybody, again and again.
fn is_read(given: &Given) -> bool {
    matches!(given, Given::Http(http) if matches!(http.method.as_str(), "GET" | "HEAD"))
}

impl Burning {
    fn note(&mut self, answer: &Answer, now: Duration) {
        if !is_hard_failure(answer) {
            *self = Self::default();
            return;
        }
        // What starts a process anew or fills the memory is felt by others.
        self.failures += match answer {
            Answer::Failed { kind, .. } if kind == "OutOfMemory" => 5,
            Answer::Failed { kind, .. } if kind == "Timeout" => 2,
            _ => 1,
        };
        if let Some(doublings) = self.failures.checked_sub(FAILURES_MAX) {
            self.until = now + Duration::from_secs(1 << doublings.min(6)).min(REST_MAX);
        }
    }
}

/// The candidate gave no answer of its own: it ran out of time or memory, or its process ended.
fn is_hard_failure(answer: &Answer) -> bool {
    matches!(answer, Answer::Failed { .. })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_candidate_that_fails_again_and_again_rests_longer_and_longer() {
        let crash = Answer::Failed { kind: "Crash".into(), message: String::new() };
        let threw = Answer::Invoke {
            payload: r#"{"errorType": "TypeError"}"#.into(),
            error: Some("Unhandled".into()),
        };
        let mut burning = Burning::default();
        let now = Duration::from_secs(100);
        for _ in 0..9 {
            burning.note(&crash, now);
        }
        assert_eq!(burning.until, Duration::ZERO);
        burning.note(&crash, now);
        assert_eq!(burning.until, now + Duration::from_secs(1));
        for _ in 0..20 {
            burning.note(&crash, now);
        }
        assert_eq!(burning.until, now + REST_MAX);
        burning.note(&threw, now);
        assert_eq!(burning.until, Duration::ZERO);
    }
}
