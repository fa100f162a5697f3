//! The durable book of a dark run: counters, latencies of both sides, and every distinct kind of difference with a
//! few samples that name the recorded pair they came from.
//!
//! What happens is noted in a [`Tally`] in memory; every second or so [`Tally::take`] gives a [`Batch`], which
//! [`Ledger::flush`] merges into the store. A batch is merged once, however often that is tried: it carries the number
//! of its writer and its place in that writer's sequence. A crash loses what was not flushed and counts nothing twice.
//!
//! Bounded: distinct kinds (beyond the bound they are one kind, [`overflow`]), samples of a kind, bytes of a batch.

mod tally;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use undercast_kernel::keyspace;
use undercast_store::{Db, Error, Row, Table, Tx};

pub use tally::{Batch, RecordedPair, Tally};

use crate::compare::{Class, Kind, Part, Severity};
use crate::gate::Stats;
use crate::histogram::Histogram;

/// Distinct kinds of one run.
pub const KINDS_MAX: u64 = 10_000;
/// Samples of one kind.
pub const SAMPLES_MAX: u32 = 5;
/// Rows that one transaction of [`Ledger::remove`] takes away.
const REMOVED_ROWS_MAX: usize = 2_000;

/// Run.
const SUMMARIES: Table<(String,), SummaryRow> = Table::new(keyspace::PATTERNS, "ledger");
/// Run, id of the kind.
const KINDS: Table<(String, String), KindRow> = Table::new(keyspace::PATTERNS, "kinds");
/// Run, id of the kind, number.
const SAMPLES: Table<(String, String, u32), SampleRow> = Table::new(keyspace::PATTERNS, "samples");
/// Run, number of a writer: the last of its batches that was merged.
const WRITERS: Table<(String, u64), u64> = Table::new(keyspace::PATTERNS, "writers");

/// What was counted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Counters {
    /// Requests that came by.
    pub seen: u64,
    /// Those that were chosen to be run in the dark.
    pub sampled: u64,
    /// Those that were, and were compared.
    pub executed: u64,
    /// Those that were chosen and not run, by reason.
    pub shed: BTreeMap<String, u64>,
    /// Pairs without a difference that counts; the others.
    pub matched: u64,
    pub differed: u64,
    pub primary_failed: u64,
    pub candidate_failed: u64,
}

impl Counters {
    pub(crate) fn merge(&mut self, other: &Counters) {
        for (sum, count) in [
            (&mut self.seen, other.seen),
            (&mut self.sampled, other.sampled),
            (&mut self.executed, other.executed),
            (&mut self.matched, other.matched),
            (&mut self.differed, other.differed),
            (&mut self.primary_failed, other.primary_failed),
            (&mut self.candidate_failed, other.candidate_failed),
        ] {
            *sum = sum.saturating_add(count);
        }
        for (reason, count) in &other.shed {
            let sum = self.shed.entry(reason.clone()).or_default();
            *sum = sum.saturating_add(*count);
        }
    }

    fn since(&self, earlier: &Counters) -> Counters {
        let shed = self.shed.iter().map(|(reason, count)| {
            let before = earlier.shed.get(reason).copied().unwrap_or(0);
            (reason.clone(), count.saturating_sub(before))
        });
        Counters {
            seen: self.seen.saturating_sub(earlier.seen),
            sampled: self.sampled.saturating_sub(earlier.sampled),
            executed: self.executed.saturating_sub(earlier.executed),
            shed: shed.collect(),
            matched: self.matched.saturating_sub(earlier.matched),
            differed: self.differed.saturating_sub(earlier.differed),
            primary_failed: self.primary_failed.saturating_sub(earlier.primary_failed),
            candidate_failed: self.candidate_failed.saturating_sub(earlier.candidate_failed),
        }
    }
}

/// A run at a glance.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Summary {
    pub counters: Counters,
    pub primary_latency: Histogram,
    pub candidate_latency: Histogram,
    /// Distinct kinds.
    pub kinds: u64,
    pub first_ms: i64,
    pub last_ms: i64,
}

impl Summary {
    /// What came since an earlier summary of the same run: since a step of a release began.
    #[must_use]
    pub fn since(&self, earlier: &Summary) -> Summary {
        Summary {
            counters: self.counters.since(&earlier.counters),
            primary_latency: self.primary_latency.since(&earlier.primary_latency),
            candidate_latency: self.candidate_latency.since(&earlier.candidate_latency),
            first_ms: earlier.last_ms,
            ..self.clone()
        }
    }

    /// As a gate of a dark step wants it.
    pub fn stats(&self) -> Stats {
        let counters = &self.counters;
        Stats {
            sampled: counters.sampled,
            executed: counters.executed,
            compared: counters.matched.saturating_add(counters.differed),
            matched: counters.matched,
            primary_requests: counters.executed,
            primary_failed: counters.primary_failed,
            candidate_requests: counters.executed,
            candidate_failed: counters.candidate_failed,
            primary_latency: self.primary_latency.clone(),
            candidate_latency: self.candidate_latency.clone(),
        }
    }
}

/// One kind of difference of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Entry {
    pub id: String,
    pub kind: Kind,
    pub description: String,
    pub severity: Severity,
    /// Pairs that differ so, and how often they do in all.
    pub pairs: u64,
    pub times: u64,
    pub first_ms: i64,
    pub last_ms: i64,
    pub samples: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Sample {
    /// The recorded pair, which can be replayed.
    pub pair: String,
    pub at_ms: i64,
    pub primary: Option<Value>,
    pub candidate: Option<Value>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Order {
    /// Those that count first, the most frequent of them first.
    #[default]
    MostFrequent,
    MostRecent,
    Oldest,
}

/// Which kinds to list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
pub struct Page {
    pub order: Order,
    /// 100 if it is 0.
    pub limit: usize,
    /// As [`Kinds::next`] of the page before.
    pub from: Option<String>,
    pub part: Option<Part>,
    pub class: Option<Class>,
    pub severity: Option<Severity>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Kinds {
    pub entries: Vec<Entry>,
    pub next: Option<String>,
    /// Of all pages.
    pub total: usize,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct SummaryRow(Summary);

#[derive(Debug, Clone, Serialize, Deserialize)]
struct KindRow {
    #[serde(rename = "k")]
    kind: Kind,
    #[serde(rename = "s")]
    severity: Severity,
    #[serde(rename = "p")]
    pairs: u64,
    #[serde(rename = "t")]
    times: u64,
    #[serde(rename = "f")]
    first_ms: i64,
    #[serde(rename = "l")]
    last_ms: i64,
    #[serde(rename = "n")]
    samples: u32,
}

/// Values stand as JSON text: a row does not keep the order of members.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct SampleRow {
    #[serde(rename = "i")]
    pub(crate) pair: String,
    #[serde(rename = "at")]
    pub(crate) at_ms: i64,
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    pub(crate) primary: Option<String>,
    #[serde(rename = "c", default, skip_serializing_if = "Option::is_none")]
    pub(crate) candidate: Option<String>,
}

impl Row for SummaryRow {
    const VERSION: u8 = 1;
}
impl Row for KindRow {
    const VERSION: u8 = 1;
}
impl Row for SampleRow {
    const VERSION: u8 = 1;
}

/// The kind of all differences that came after the bound on distinct kinds.
pub fn overflow() -> Kind {
    Kind { part: Part::List, class: Class::More, place: "kinds".to_owned() }
}

impl From<SampleRow> for Sample {
    fn from(row: SampleRow) -> Sample {
        let value = |text: Option<String>| text.and_then(|text| serde_json::from_str(&text).ok());
        Sample {
            pair: row.pair,
            at_ms: row.at_ms,
            primary: value(row.primary),
            candidate: value(row.candidate),
        }
    }
}

impl From<KindRow> for Entry {
    fn from(row: KindRow) -> Entry {
        Entry {
            id: row.kind.id(),
            description: row.kind.description(),
            kind: row.kind,
            severity: row.severity,
            pairs: row.pairs,
            times: row.times,
            first_ms: row.first_ms,
            last_ms: row.last_ms,
            samples: row.samples,
        }
    }
}

/// The book. It keeps nothing itself.
#[derive(Debug, Clone, Copy)]
pub struct Ledger {
    pub kinds_max: u64,
    pub samples_max: u32,
}

impl Default for Ledger {
    fn default() -> Self {
        Ledger { kinds_max: KINDS_MAX, samples_max: SAMPLES_MAX }
    }
}

impl Ledger {
    /// Merges a batch. To do it again, in the same transaction run anew or in another one, changes nothing.
    ///
    /// Gives the recorded pairs that no kind keeps as a sample, so that they can be thrown away.
    pub async fn flush(&self, tx: &Tx, run: &str, batch: &Batch) -> Result<Vec<String>, Error> {
        let writer = (run.to_owned(), batch.writer);
        if WRITERS.get(tx, &writer).await?.is_some_and(|last| last >= batch.sequence) {
            return Ok(Vec::new());
        }
        WRITERS.put(tx, &writer, &batch.sequence)?;
        let key = (run.to_owned(),);
        let before = SUMMARIES.get(tx, &key).await?;
        let is_first = before.is_none();
        let mut summary = before.unwrap_or_default().0;
        summary.counters.merge(&batch.counters);
        summary.primary_latency.merge(&batch.primary_latency);
        summary.candidate_latency.merge(&batch.candidate_latency);
        summary.last_ms = summary.last_ms.max(batch.last_ms);
        if is_first || batch.first_ms < summary.first_ms {
            summary.first_ms = batch.first_ms;
        }
        let mut beyond: Option<tally::Noted> = batch.beyond.clone();
        let mut kept = BTreeSet::new();
        for (kind, noted) in &batch.kinds {
            let key = (run.to_owned(), kind.id());
            let row = KINDS.get(tx, &key).await?;
            if row.is_none() && summary.kinds >= self.kinds_max {
                beyond.get_or_insert_with(|| tally::Noted::new(noted)).merge(noted);
                continue;
            }
            summary.kinds += u64::from(row.is_none());
            self.merge_kind(tx, key, kind, row, noted, &mut kept)?;
        }
        if let Some(noted) = beyond {
            let kind = overflow();
            let key = (run.to_owned(), kind.id());
            let row = KINDS.get(tx, &key).await?;
            summary.kinds += u64::from(row.is_none());
            self.merge_kind(tx, key, &kind, row, &noted, &mut kept)?;
        }
        SUMMARIES.put(tx, &key, &SummaryRow(summary))?;
        let pairs = batch.kinds.iter().flat_map(|(_, noted)| &noted.samples).map(|s| &s.pair);
        let unused: BTreeSet<&String> = pairs.filter(|pair| !kept.contains(*pair)).collect();
        Ok(unused.into_iter().cloned().collect())
    }

    fn merge_kind(
        &self,
        tx: &Tx,
        key: (String, String),
        kind: &Kind,
        row: Option<KindRow>,
        noted: &tally::Noted,
        kept: &mut BTreeSet<String>,
    ) -> Result<(), Error> {
        let mut row = row.unwrap_or_else(|| KindRow {
            kind: kind.clone(),
            severity: noted.severity,
            pairs: 0,
            times: 0,
            first_ms: noted.first_ms,
            last_ms: noted.last_ms,
            samples: 0,
        });
        // Rules may change while a run goes on: the last word counts.
        row.severity = noted.severity;
        row.pairs = row.pairs.saturating_add(noted.pairs);
        row.times = row.times.saturating_add(noted.times);
        row.first_ms = row.first_ms.min(noted.first_ms);
        row.last_ms = row.last_ms.max(noted.last_ms);
        let (run, id) = key;
        for sample in &noted.samples {
            if row.samples >= self.samples_max {
                break;
            }
            SAMPLES.put(tx, &(run.clone(), id.clone(), row.samples), sample)?;
            kept.insert(sample.pair.clone());
            row.samples += 1;
        }
        KINDS.put(tx, &(run, id), &row)
    }

    pub async fn summary(&self, db: &Db, run: &str) -> Result<Option<Summary>, Error> {
        Ok(SUMMARIES.read(db, &(run.to_owned(),)).await?.map(|row| row.0))
    }

    /// One page of the kinds of a run. The order is made anew for each page, so a kind that became more frequent
    /// meanwhile may be seen twice or not at all.
    pub async fn kinds(&self, db: &Db, run: &str, page: &Page) -> Result<Kinds, Error> {
        let limit = usize::try_from(self.kinds_max).unwrap_or(usize::MAX).saturating_add(1);
        let rows = KINDS.list(db, KINDS.prefix(&(run,)), limit, false).await?;
        let mut rows: Vec<KindRow> = rows
            .into_iter()
            .map(|(_, row)| row)
            .filter(|row| {
                page.part.is_none_or(|part| part == row.kind.part)
                    && page.class.is_none_or(|class| class == row.kind.class)
                    && page.severity.is_none_or(|severity| severity == row.severity)
            })
            .collect();
        rows.sort_by(|a, b| {
            let rest = || a.kind.cmp(&b.kind);
            match page.order {
                Order::MostFrequent => {
                    (a.severity, u64::MAX - a.pairs).cmp(&(b.severity, u64::MAX - b.pairs))
                }
                Order::MostRecent => b.last_ms.cmp(&a.last_ms),
                Order::Oldest => a.first_ms.cmp(&b.first_ms),
            }
            .then_with(rest)
        });
        let total = rows.len();
        let from = page.from.as_deref().and_then(|from| from.parse().ok()).unwrap_or(0_usize);
        let limit = if page.limit == 0 { 100 } else { page.limit };
        let to = from.saturating_add(limit);
        let entries = rows.into_iter().skip(from).take(limit).map(Entry::from).collect();
        Ok(Kinds { entries, next: (to < total).then(|| to.to_string()), total })
    }

    /// One kind with its samples.
    pub async fn kind(
        &self,
        db: &Db,
        run: &str,
        id: &str,
    ) -> Result<Option<(Entry, Vec<Sample>)>, Error> {
        let Some(row) = KINDS.read(db, &(run.to_owned(), id.to_owned())).await? else {
            return Ok(None);
        };
        let limit = usize::try_from(self.samples_max).unwrap_or(usize::MAX);
        let samples = SAMPLES.list(db, SAMPLES.prefix(&(run, id)), limit, false).await?;
        let samples = samples.into_iter().map(|(_, row)| row.into()).collect();
        Ok(Some((row.into(), samples)))
    }

    /// Takes away what is known of a run, a part in each transaction: says whether something is left.
    pub async fn remove(&self, tx: &Tx, run: &str) -> Result<bool, Error> {
        let ranges = [
            SAMPLES.prefix(&(run,)),
            KINDS.prefix(&(run,)),
            WRITERS.prefix(&(run,)),
            SUMMARIES.prefix(&(run,)),
        ];
        let mut left = REMOVED_ROWS_MAX;
        for range in ranges {
            for (key, _) in tx.range(range, left, false).await? {
                tx.delete(key)?;
                left -= 1;
            }
            if left == 0 {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

#[cfg(test)]
mod tests;
