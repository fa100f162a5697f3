use std::collections::BTreeMap as Map;

use proptest::prelude::*;
use serde_json::json;
use undercast_store::{Env, Options};

use super::*;
use crate::compare::{Difference, Verdict};

fn difference(place: &str, severity: Severity) -> Difference {
    Difference {
        kind: Kind { part: Part::Body, class: Class::Rounding, place: place.to_owned() },
        severity,
        times: 2,
        primary: Some(json!({"b": 1, "a": "x"})),
        candidate: None,
    }
}

fn verdict(places: &[&str]) -> Verdict {
    let differences = places.iter().map(|place| difference(place, Severity::Count)).collect();
    Verdict { differences, ..Verdict::default() }
}

async fn memory() -> Db {
    Db::open(Options::memory(), Env::system()).await.unwrap()
}

async fn flush(db: &Db, ledger: Ledger, run: &str, batch: &Batch) -> Vec<String> {
    let merge = |tx: Tx| async move { ledger.flush(&tx, run, batch).await };
    db.transact(merge).await.unwrap()
}

fn pair(id: u64) -> impl FnOnce() -> RecordedPair {
    move || RecordedPair { id: format!("pair-{id}") }
}

#[tokio::test]
async fn a_run_is_counted_and_its_kinds_are_listed() {
    let (db, ledger, mut tally) = (memory().await, Ledger::default(), Tally::new(7));
    assert!(tally.take().is_none());
    for at in 0..20 {
        tally.seen(5, 1000);
        tally.sampled(1000);
        let now_ms = 1000 + i64::try_from(at).unwrap();
        match at % 4 {
            0 => tally.note(&verdict(&["/a", "/b"]), 1.0, 2.0, now_ms, pair(at)),
            1 => tally.note(&verdict(&["/a"]), 1.0, 2.0, now_ms, pair(at)),
            2 => tally.note(&verdict(&[]), 1.0, 2.0, now_ms, pair(at)),
            _ => tally.shed("PoolFull", now_ms),
        }
        if at == 9 {
            let batch = tally.take().unwrap();
            flush(&db, ledger, "run", &batch).await;
            // The answer was lost, and it is tried again.
            flush(&db, ledger, "run", &batch).await;
        }
    }
    flush(&db, ledger, "run", &tally.take().unwrap()).await;
    let summary = ledger.summary(&db, "run").await.unwrap().unwrap();
    let counters = &summary.counters;
    assert_eq!((counters.seen, counters.sampled, counters.executed), (100, 20, 15));
    assert_eq!((counters.matched, counters.differed), (5, 10));
    assert_eq!(counters.shed, Map::from([("PoolFull".to_owned(), 5)]));
    assert_eq!((summary.kinds, summary.first_ms, summary.last_ms), (2, 1000, 1019));
    assert_eq!(summary.candidate_latency.count(), 15);
    let kinds = ledger.kinds(&db, "run", &Page { limit: 1, ..Page::default() }).await.unwrap();
    assert_eq!((kinds.total, kinds.next.as_deref()), (2, Some("1")));
    let entry = &kinds.entries[0];
    assert_eq!((entry.kind.place.as_str(), entry.pairs, entry.times), ("/a", 10, 20));
    assert_eq!((entry.first_ms, entry.last_ms), (1000, 1017));
    let next = Page { from: kinds.next, ..Page::default() };
    assert_eq!(ledger.kinds(&db, "run", &next).await.unwrap().entries[0].kind.place, "/b");
    let (entry, samples) = ledger.kind(&db, "run", &entry.id).await.unwrap().unwrap();
    assert_eq!((entry.samples, samples.len()), (5, 5));
    assert_eq!(samples[0].pair, "pair-0");
    assert_eq!(samples[0].primary.as_ref().unwrap().to_string(), r#"{"b":1,"a":"x"}"#);
    assert!(ledger.kind(&db, "run", "nothing").await.unwrap().is_none());
    assert!(ledger.summary(&db, "other").await.unwrap().is_none());
    let since = summary.since(&summary);
    assert_eq!((since.counters.seen, since.primary_latency.count()), (0, 0));
    assert_eq!(summary.stats().compared, 15);
}

#[tokio::test]
async fn kinds_beyond_the_bound_are_one() {
    let (db, mut tally) = (memory().await, Tally::new(7));
    let ledger = Ledger { kinds_max: 3, samples_max: 2 };
    for at in 0..10 {
        tally.note(&verdict(&[&format!("/k{at}")]), 1.0, 1.0, 5, pair(at));
    }
    flush(&db, ledger, "run", &tally.take().unwrap()).await;
    let kinds = ledger.kinds(&db, "run", &Page::default()).await.unwrap();
    assert_eq!(kinds.total, 4);
    let over = kinds.entries.iter().find(|entry| entry.kind == overflow()).unwrap();
    assert_eq!((over.pairs, over.samples), (7, 2));
}

#[tokio::test]
async fn a_tally_is_bounded_however_many_kinds_come() {
    let (db, ledger, mut tally) = (memory().await, Ledger::default(), Tally::new(7));
    let long = "x".repeat(1000);
    for at in 0..20_000 {
        let mut verdict = verdict(&[&format!("/{at}/{}", &long[..200])]);
        verdict.differences[0].primary = Some(json!(long));
        verdict.differences[0].candidate = Some(json!(long));
        tally.note(&verdict, 1.0, 1.0, 5, pair(at));
    }
    assert!(tally.is_full());
    flush(&db, ledger, "run", &tally.take().unwrap()).await;
    assert!(!tally.is_full());
    let kinds = ledger.kinds(&db, "run", &Page::default()).await.unwrap();
    let sum: u64 = ledger
        .kinds(&db, "run", &Page { limit: 100_000, ..Page::default() })
        .await
        .unwrap()
        .entries
        .iter()
        .map(|entry| entry.pairs)
        .sum();
    assert_eq!((kinds.total, sum), (4_001, 20_000));
}

#[tokio::test]
async fn pairs_that_nobody_keeps_are_given_back() {
    let (db, ledger) = (memory().await, Ledger { samples_max: 1, ..Ledger::default() });
    for writer in 0..2 {
        let mut tally = Tally::new(writer);
        tally.note(&verdict(&["/a"]), 1.0, 1.0, 5, pair(writer));
        tally.note(&verdict(&["/a", "/b"]), 1.0, 1.0, 5, pair(writer + 10));
        let unused = flush(&db, ledger, "run", &tally.take().unwrap()).await;
        let expected: &[&str] = if writer == 0 { &[] } else { &["pair-1", "pair-11"] };
        assert_eq!(unused, expected);
    }
}

#[tokio::test]
async fn a_removed_run_leaves_nothing() {
    let (db, ledger, mut tally) = (memory().await, Ledger::default(), Tally::new(7));
    for at in 0..3_000 {
        tally.note(&verdict(&[&format!("/k{at}")]), 1.0, 1.0, 5, pair(at));
    }
    let batch = tally.take().unwrap();
    flush(&db, ledger, "run", &batch).await;
    flush(&db, ledger, "run2", &batch).await;
    let mut rounds = 0;
    while db.transact(|tx| async move { ledger.remove(&tx, "run").await }).await.unwrap() {
        rounds += 1;
    }
    assert!(rounds >= 3);
    assert!(ledger.summary(&db, "run").await.unwrap().is_none());
    assert_eq!(ledger.kinds(&db, "run", &Page::default()).await.unwrap().total, 0);
    assert_eq!(ledger.kinds(&db, "run2", &Page::default()).await.unwrap().total, 3_000);
}

#[tokio::test]
async fn a_book_survives_its_process() {
    let folder = tempfile::tempdir().unwrap();
    let (ledger, mut tally) = (Ledger::default(), Tally::new(7));
    tally.note(&verdict(&["/a"]), 1.0, 2.0, 5, pair(1));
    let batch = tally.take().unwrap();
    let db = Db::open(Options::dir(folder.path()), Env::system()).await.unwrap();
    flush(&db, ledger, "run", &batch).await;
    db.close().await;
    drop(db);
    let db = Db::open(Options::dir(folder.path()), Env::system()).await.unwrap();
    flush(&db, ledger, "run", &batch).await;
    let summary = ledger.summary(&db, "run").await.unwrap().unwrap();
    assert_eq!((summary.counters.executed, summary.kinds), (1, 1));
    db.close().await;
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// However notes are spread over writers and flushes, and however often a flush is repeated, the book is the same.
    #[test]
    fn nothing_is_lost_or_counted_twice(
        events in prop::collection::vec((0_usize..3, 0_usize..6, any::<bool>(), any::<bool>()), 0..60),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (db, ledger) = (memory().await, Ledger::default());
            let mut tallies: Vec<Tally> = (0..3).map(Tally::new).collect();
            let mut expected = Map::<usize, u64>::new();
            for (at, (writer, kind, flushes, repeats)) in events.iter().enumerate() {
                *expected.entry(*kind).or_default() += 1;
                let place = format!("/{kind}");
                tallies[*writer].note(&verdict(&[&place]), 1.0, 1.0, 5, pair(at as u64));
                if *flushes && let Some(batch) = tallies[*writer].take() {
                    flush(&db, ledger, "run", &batch).await;
                    if *repeats {
                        flush(&db, ledger, "run", &batch).await;
                    }
                }
            }
            for tally in &mut tallies {
                if let Some(batch) = tally.take() {
                    flush(&db, ledger, "run", &batch).await;
                }
            }
            let kinds = ledger.kinds(&db, "run", &Page::default()).await.unwrap();
            let found: Map<usize, u64> = kinds
                .entries
                .iter()
                .map(|entry| (entry.kind.place[1..].parse().unwrap(), entry.pairs))
                .collect();
            assert_eq!(found, expected);
            for entry in kinds.entries {
                let (_, samples) = ledger.kind(&db, "run", &entry.id).await.unwrap().unwrap();
                assert_eq!(samples.len() as u64, entry.pairs.min(5));
            }
        });
    }
}
