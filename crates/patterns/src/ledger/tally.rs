//! What happened since the last flush, in memory.

use std::collections::HashMap;

use serde_json::Value;

use super::{Counters, SAMPLES_MAX, SampleRow};
use crate::compare::{Difference, Kind, Severity, Verdict};
use crate::histogram::Histogram;

/// Distinct kinds between two flushes.
const KINDS_MAX: usize = 4_000;
/// Samples between two flushes: with the kinds well below what a transaction may write.
const SAMPLE_BYTES_MAX: usize = 3 << 20;
/// Reasons for shedding.
const REASONS_MAX: usize = 32;

/// The name under which a pair was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedPair {
    pub id: String,
}

/// What is kept of one kind until the next flush.
#[derive(Debug, Clone)]
pub(crate) struct Noted {
    pub(crate) severity: Severity,
    pub(crate) pairs: u64,
    pub(crate) times: u64,
    pub(crate) first_ms: i64,
    pub(crate) last_ms: i64,
    pub(crate) samples: Vec<SampleRow>,
}

impl Noted {
    /// An empty one that begins when `other` did.
    pub(crate) fn new(other: &Noted) -> Noted {
        Noted { pairs: 0, times: 0, samples: Vec::new(), ..*other }
    }

    pub(crate) fn merge(&mut self, other: &Noted) {
        self.severity = self.severity.min(other.severity);
        self.pairs = self.pairs.saturating_add(other.pairs);
        self.times = self.times.saturating_add(other.times);
        self.first_ms = self.first_ms.min(other.first_ms);
        self.last_ms = self.last_ms.max(other.last_ms);
        for sample in &other.samples {
            if self.samples.len() < SAMPLES_MAX as usize {
                self.samples.push(sample.clone());
            }
        }
    }

    fn count(&mut self, difference: &Difference, now_ms: i64) {
        self.severity = difference.severity;
        self.pairs += 1;
        self.times += u64::from(difference.times);
        self.last_ms = self.last_ms.max(now_ms);
    }
}

/// What a [`Tally`] gathered between two flushes.
#[derive(Debug, Clone)]
pub struct Batch {
    pub(crate) writer: u64,
    pub(crate) sequence: u64,
    pub(crate) counters: Counters,
    pub(crate) primary_latency: Histogram,
    pub(crate) candidate_latency: Histogram,
    pub(crate) first_ms: i64,
    pub(crate) last_ms: i64,
    pub(crate) kinds: Vec<(Kind, Noted)>,
    /// Differences of kinds beyond the bound.
    pub(crate) beyond: Option<Noted>,
}

/// One for each run and process. Cheap to note into; not shared between threads without a lock.
#[derive(Debug)]
pub struct Tally {
    writer: u64,
    sequence: u64,
    counters: Counters,
    primary_latency: Histogram,
    candidate_latency: Histogram,
    first_ms: Option<i64>,
    last_ms: i64,
    /// With how many samples were taken of each since it is known here.
    kinds: HashMap<Kind, (Noted, u32)>,
    beyond: Option<Noted>,
    sample_bytes: usize,
}

impl Tally {
    /// `writer` is a number that no other tally of the run has, ever: `Ids::u64`.
    pub fn new(writer: u64) -> Tally {
        Tally {
            writer,
            sequence: 0,
            counters: Counters::default(),
            primary_latency: Histogram::default(),
            candidate_latency: Histogram::default(),
            first_ms: None,
            last_ms: i64::MIN,
            kinds: HashMap::new(),
            beyond: None,
            sample_bytes: 0,
        }
    }

    /// Requests came by.
    pub fn seen(&mut self, requests: u64, now_ms: i64) {
        self.counters.seen += requests;
        self.at(now_ms);
    }

    /// One was chosen to be run in the dark.
    pub fn sampled(&mut self, now_ms: i64) {
        self.counters.sampled += 1;
        self.at(now_ms);
    }

    /// One was chosen and not run.
    pub fn shed(&mut self, reason: &str, now_ms: i64) {
        let shed = &mut self.counters.shed;
        let reason =
            if shed.len() < REASONS_MAX || shed.contains_key(reason) { reason } else { "Other" };
        *shed.entry(reason.to_owned()).or_default() += 1;
        self.at(now_ms);
    }

    /// One was run and compared. `sample` is called if the pair is worth keeping: it records the pair and names it.
    pub fn note(
        &mut self,
        verdict: &Verdict,
        primary_ms: f64,
        candidate_ms: f64,
        now_ms: i64,
        sample: impl FnOnce() -> RecordedPair,
    ) {
        self.at(now_ms);
        self.counters.executed += 1;
        let of_verdict = if verdict.is_match() {
            &mut self.counters.matched
        } else {
            &mut self.counters.differed
        };
        *of_verdict += 1;
        self.counters.primary_failed += u64::from(verdict.primary_failed);
        self.counters.candidate_failed += u64::from(verdict.candidate_failed);
        self.primary_latency.record_ms(primary_ms);
        self.candidate_latency.record_ms(candidate_ms);
        let mut sample = Some(sample);
        let mut pair = None;
        for difference in &verdict.differences {
            if let Some(wanted) = self.count(difference, now_ms) {
                // Once for all differences of the pair.
                if let Some(sample) = sample.take() {
                    pair = Some(sample());
                }
                if let Some(pair) = &pair {
                    self.keep(wanted, difference, pair, now_ms);
                }
            }
        }
    }

    /// Counts a difference; says which kind a sample is wanted of.
    fn count<'d>(&mut self, difference: &'d Difference, now_ms: i64) -> Option<&'d Kind> {
        let new = || Noted {
            severity: difference.severity,
            pairs: 0,
            times: 0,
            first_ms: now_ms,
            last_ms: now_ms,
            samples: Vec::new(),
        };
        if let Some((noted, taken)) = self.kinds.get_mut(&difference.kind) {
            if noted.pairs == 0 {
                noted.first_ms = now_ms;
                noted.last_ms = now_ms;
            }
            noted.count(difference, now_ms);
            let is_wanted = *taken < SAMPLES_MAX && self.sample_bytes < SAMPLE_BYTES_MAX;
            return is_wanted.then_some(&difference.kind);
        }
        if self.kinds.len() >= KINDS_MAX {
            self.beyond.get_or_insert_with(new).count(difference, now_ms);
            return None;
        }
        let (noted, _) = self.kinds.entry(difference.kind.clone()).or_insert_with(|| (new(), 0));
        noted.count(difference, now_ms);
        (self.sample_bytes < SAMPLE_BYTES_MAX).then_some(&difference.kind)
    }

    fn keep(&mut self, kind: &Kind, difference: &Difference, pair: &RecordedPair, now_ms: i64) {
        let Some((noted, taken)) = self.kinds.get_mut(kind) else { return };
        let text = |value: &Option<Value>| value.as_ref().map(Value::to_string);
        let (primary, candidate) = (text(&difference.primary), text(&difference.candidate));
        let bytes = [&primary, &candidate].into_iter().flatten().map(String::len).sum::<usize>();
        self.sample_bytes += bytes + pair.id.len() + 64;
        *taken += 1;
        noted.samples.push(SampleRow { pair: pair.id.clone(), at_ms: now_ms, primary, candidate });
    }

    fn at(&mut self, now_ms: i64) {
        self.first_ms = Some(self.first_ms.map_or(now_ms, |first_ms| first_ms.min(now_ms)));
        self.last_ms = self.last_ms.max(now_ms);
    }

    /// Whether it should be flushed without waiting: beyond this it keeps counting, but not every kind and sample.
    pub fn is_full(&self) -> bool {
        self.sample_bytes >= SAMPLE_BYTES_MAX || self.kinds.len() >= KINDS_MAX
    }

    /// What was noted since the last time; nothing if nothing was. A batch that cannot be flushed is tried again
    /// before the next one is: a writer's batches are merged in their order.
    pub fn take(&mut self) -> Option<Batch> {
        let first_ms = self.first_ms.take()?;
        self.sequence += 1;
        let mut kinds = Vec::new();
        for (kind, (noted, _)) in &mut self.kinds {
            if noted.pairs > 0 {
                let empty = Noted::new(noted);
                kinds.push((kind.clone(), std::mem::replace(noted, empty)));
            }
        }
        // The same order whatever the map's.
        kinds.sort_by(|(a, _), (b, _)| a.cmp(b));
        if self.kinds.len() > KINDS_MAX / 2 {
            self.kinds = HashMap::new();
        }
        self.sample_bytes = 0;
        Some(Batch {
            writer: self.writer,
            sequence: self.sequence,
            counters: std::mem::take(&mut self.counters),
            primary_latency: std::mem::take(&mut self.primary_latency),
            candidate_latency: std::mem::take(&mut self.candidate_latency),
            first_ms,
            last_ms: std::mem::replace(&mut self.last_ms, i64::MIN),
            kinds,
            beyond: self.beyond.take(),
        })
    }
}
