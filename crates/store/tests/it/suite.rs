//! What every engine must do, told once.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::join_all;
use undercast_store::{
    Archive, Archived, Db, Error, Extras, KEY_BYTES_MAX, KeyRange, Recorder, Row, Table, Tx,
    VALUE_BYTES_MAX,
};

/// Hands the names of all cases to another macro.
macro_rules! with_cases {
    ($then:ident, $open:expr) => {
        $then! { $open;
            writes_are_read_back, nothing_of_a_failed_closure_stays, ranges_are_ordered_and_show_own_writes,
            long_ranges_merge_with_many_own_writes, a_changed_read_runs_the_transaction_again,
            blind_writes_do_not_conflict, a_key_read_as_absent_is_guarded, increments_are_not_lost,
            additions_never_conflict, counters_can_be_reset, claims_do_not_overlap, a_dropped_claim_is_free_again,
            claims_give_every_row_once, a_changed_row_is_not_claimed_twice, writing_a_claimed_row_conflicts,
            own_rows_are_not_claimed, limits_are_enforced, large_values_come_back, watches_tell,
            a_transaction_is_over_when_it_ends, typed_tables_page, snapshots_do_not_move, clear_leaves_nothing,
            transfers_keep_the_total, an_empty_range_is_empty, before_images_are_recorded,
            an_archive_brings_everything_back, a_damaged_archive_changes_nothing, what_began_before_a_restore_runs_again,
        }
    };
}
pub(crate) use with_cases;

/// Runs every case as a test of its own on what `$open` gives.
macro_rules! suite {
    ($open:expr; $($case:ident),* $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let opened: $crate::engines::Opened = $open.await;
                $crate::suite::$case(opened.db.clone()).await;
                opened.db.close().await;
            }
        )*
    };
}
pub(crate) use suite;

fn b(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

async fn put(db: &Db, rows: &[(&str, &str)]) {
    db.transact(|tx| async move {
        for (key, value) in rows {
            tx.put(b(key), b(value))?;
        }
        Ok::<_, Error>(())
    })
    .await
    .unwrap();
}

async fn get(db: &Db, key: &str) -> Option<String> {
    let value = db.begin().await.unwrap().get(key.as_bytes()).await.unwrap();
    value.map(|value| String::from_utf8(value.to_vec()).unwrap())
}

async fn keys(tx: &Tx, range: KeyRange, limit: usize, reverse: bool) -> Vec<String> {
    let rows = tx.range(range, limit, reverse).await.unwrap();
    rows.into_iter().map(|(key, _)| String::from_utf8(key.to_vec()).unwrap()).collect()
}

pub async fn writes_are_read_back(db: Db) {
    put(&db, &[("a", "1"), ("b", "2"), ("c", "")]).await;
    assert_eq!(get(&db, "a").await.as_deref(), Some("1"));
    assert_eq!(get(&db, "c").await.as_deref(), Some(""));
    assert_eq!(get(&db, "d").await, None);
    db.transact(|tx| async move {
        tx.delete(b("a"))?;
        tx.put(b("b"), b("3"))
    })
    .await
    .unwrap();
    assert_eq!(get(&db, "a").await, None);
    assert_eq!(get(&db, "b").await.as_deref(), Some("3"));
}

pub async fn nothing_of_a_failed_closure_stays(db: Db) {
    let failed = db.transact(|tx| async move {
        tx.put(b("a"), b("1"))?;
        tx.add(b("n"), 1)?;
        Err::<(), _>(Error::Closed { what: "test" })
    });
    assert!(matches!(failed.await, Err(Error::Closed { what: "test" })));
    assert_eq!(get(&db, "a").await, None);
    assert_eq!(db.begin().await.unwrap().sum(b"n").await.unwrap(), 0);
}

pub async fn ranges_are_ordered_and_show_own_writes(db: Db) {
    put(&db, &[("p/a", "1"), ("p/c", "1"), ("p/e", "1"), ("q", "1"), ("o", "1")]).await;
    let tx = db.begin().await.unwrap();
    tx.put(b("p/b"), b("2")).unwrap();
    tx.put(b("p/e"), b("2")).unwrap();
    tx.delete(b("p/c")).unwrap();
    let under = || KeyRange::prefix(b("p/"));
    assert_eq!(keys(&tx, under(), 10, false).await, ["p/a", "p/b", "p/e"]);
    assert_eq!(keys(&tx, under(), 10, true).await, ["p/e", "p/b", "p/a"]);
    assert_eq!(keys(&tx, under(), 2, false).await, ["p/a", "p/b"]);
    assert_eq!(keys(&tx, under(), 1, true).await, ["p/e"]);
    assert_eq!(keys(&tx, under().after_key(b"p/a"), 10, false).await, ["p/b", "p/e"]);
    assert_eq!(keys(&tx, KeyRange::between(b("p/b"), b("q")), 10, false).await, ["p/b", "p/e"]);
    assert_eq!(keys(&tx, KeyRange::all(), 10, true).await, ["q", "p/e", "p/b", "p/a", "o"]);
    assert_eq!(tx.range(under(), 10, true).await.unwrap()[0].1, b("2"));
}

pub async fn long_ranges_merge_with_many_own_writes(db: Db) {
    let name = |n: usize| format!("k{n:05}");
    for chunk in 0..4 {
        db.transact(|tx| async move {
            for n in (chunk * 200..(chunk + 1) * 200).filter(|n| n % 2 == 0) {
                tx.put(name(n), b("old"))?;
            }
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
    }
    let tx = db.begin().await.unwrap();
    for n in 0..800 {
        match n % 4 {
            0 => tx.delete(name(n)).unwrap(),
            1 => tx.put(name(n), b("new")).unwrap(),
            _ => {}
        }
    }
    let expected: Vec<String> = (0..800).filter(|n| matches!(n % 4, 1 | 2)).map(name).collect();
    let all = KeyRange::prefix(b("k"));
    assert_eq!(keys(&tx, all.clone(), 1000, false).await, expected);
    assert_eq!(keys(&tx, all.clone(), 37, false).await, expected[..37]);
    let backwards: Vec<String> = expected.iter().rev().cloned().collect();
    assert_eq!(keys(&tx, all.clone(), 1000, true).await, backwards);
    assert_eq!(keys(&tx, all, 101, true).await, backwards[..101]);
}

pub async fn an_empty_range_is_empty(db: Db) {
    put(&db, &[("a", "1")]).await;
    let tx = db.begin().await.unwrap();
    tx.put(b("b"), b("1")).unwrap();
    assert!(keys(&tx, KeyRange::between(b("b"), b("a")), 10, false).await.is_empty());
    assert!(keys(&tx, KeyRange::between(b("b"), b("b")), 10, true).await.is_empty());
    assert!(tx.claim(KeyRange::between(b("b"), b("a")), 1).await.unwrap().is_empty());
}

pub async fn a_changed_read_runs_the_transaction_again(db: Db) {
    put(&db, &[("a", "1")]).await;
    let first = db.begin().await.unwrap();
    assert_eq!(first.get(b"a").await.unwrap().unwrap(), "1");
    put(&db, &[("a", "2")]).await;
    assert_eq!(first.get(b"a").await.unwrap().unwrap(), "1", "a transaction sees one moment");
    first.put(b("b"), b("x")).unwrap();
    assert!(matches!(first.commit().await, Err(Error::Conflict { .. })));
    assert_eq!(get(&db, "b").await, None);

    let runs = Arc::new(AtomicU32::new(0));
    let seen = db.transact(|tx| {
        let (db, runs) = (db.clone(), runs.clone());
        async move {
            let value = tx.get(b"a").await?;
            if runs.fetch_add(1, Ordering::SeqCst) == 0 {
                put(&db, &[("a", "3")]).await;
            }
            tx.put(b("b"), value.clone().unwrap())?;
            Ok::<_, Error>(value.unwrap())
        }
    });
    assert_eq!(seen.await.unwrap(), "3");
    assert_eq!(runs.load(Ordering::SeqCst), 2);
    assert_eq!(get(&db, "b").await.as_deref(), Some("3"));
}

pub async fn blind_writes_do_not_conflict(db: Db) {
    let first = db.begin().await.unwrap();
    first.range(KeyRange::all(), 10, false).await.unwrap();
    put(&db, &[("a", "1")]).await;
    first.put(b("a"), b("2")).unwrap();
    first.commit().await.unwrap();
    assert_eq!(get(&db, "a").await.as_deref(), Some("2"));
}

pub async fn a_key_read_as_absent_is_guarded(db: Db) {
    let first = db.begin().await.unwrap();
    assert_eq!(first.get(b"a").await.unwrap(), None);
    put(&db, &[("a", "1")]).await;
    first.put(b("a"), b("2")).unwrap();
    assert!(matches!(first.commit().await, Err(Error::Conflict { .. })));
}

pub async fn increments_are_not_lost(db: Db) {
    let increment = |_| {
        let db = db.clone();
        tokio::spawn(async move {
            for _ in 0..10 {
                db.transact(|tx| async move {
                    let n = tx
                        .get(b"n")
                        .await?
                        .map_or(0, |n| u64::from_be_bytes(n.as_ref().try_into().unwrap()));
                    tx.put(b("n"), Bytes::copy_from_slice(&(n + 1).to_be_bytes()))
                })
                .await
                .unwrap();
            }
        })
    };
    join_all((0..12).map(increment)).await.into_iter().for_each(|done| done.unwrap());
    let n = db.begin().await.unwrap().get(b"n").await.unwrap().unwrap();
    assert_eq!(u64::from_be_bytes(n.as_ref().try_into().unwrap()), 120);
}

pub async fn additions_never_conflict(db: Db) {
    let open: Vec<Tx> =
        join_all((0..8).map(|_| db.begin())).await.into_iter().map(Result::unwrap).collect();
    for (n, tx) in open.iter().enumerate() {
        assert_eq!(tx.sum(b"c").await.unwrap(), 0);
        tx.add(b("c"), 10).unwrap();
        tx.add(b("c"), -1).unwrap();
        tx.add(format!("d{n}"), i64::try_from(n).unwrap()).unwrap();
        assert_eq!(tx.sum(b"c").await.unwrap(), 9);
    }
    for tx in &open {
        tx.commit().await.unwrap();
    }
    let tx = db.begin().await.unwrap();
    assert_eq!(tx.sum(b"c").await.unwrap(), 72);
    assert_eq!(tx.sum(b"d5").await.unwrap(), 5);
    assert_eq!(tx.get(b"c").await.unwrap(), None, "counters are not rows");
}

pub async fn counters_can_be_reset(db: Db) {
    db.transact(|tx| async move { tx.add(b("c"), 5) }).await.unwrap();
    let tx = db.begin().await.unwrap();
    tx.reset(b("c")).unwrap();
    tx.add(b("c"), 2).unwrap();
    assert_eq!(tx.sum(b"c").await.unwrap(), 2);
    tx.commit().await.unwrap();
    assert_eq!(db.begin().await.unwrap().sum(b"c").await.unwrap(), 2);
    db.transact(|tx| async move { tx.reset(b("c")) }).await.unwrap();
    assert_eq!(db.begin().await.unwrap().sum(b"c").await.unwrap(), 0);
}

pub async fn claims_do_not_overlap(db: Db) {
    put(&db, &[("q/1", "a"), ("q/2", "b"), ("q/3", "c"), ("r", "z")]).await;
    let queue = || KeyRange::prefix(b("q/"));
    let (first, second) = (db.begin().await.unwrap(), db.begin().await.unwrap());
    let one = first.claim(queue(), 2).await.unwrap();
    let two = second.claim(queue(), 2).await.unwrap();
    assert_eq!(one, [(b("q/1"), b("a")), (b("q/2"), b("b"))]);
    assert_eq!(two, [(b("q/3"), b("c"))]);
    assert!(
        first.claim(queue(), 5).await.unwrap().is_empty(),
        "neither own claims nor those of others"
    );
    for (tx, rows) in [(&first, one), (&second, two)] {
        for (key, _) in rows {
            tx.delete(key).unwrap();
        }
        tx.commit().await.unwrap();
    }
    assert_eq!(keys(&db.begin().await.unwrap(), KeyRange::all(), 10, false).await, ["r"]);
}

pub async fn a_dropped_claim_is_free_again(db: Db) {
    put(&db, &[("q/1", "a")]).await;
    let mut watch = db.watch(b"q/");
    let first = db.begin().await.unwrap();
    assert_eq!(first.claim(KeyRange::prefix(b("q/")), 1).await.unwrap().len(), 1);
    drop(first);
    tokio::time::timeout(Duration::from_secs(10), watch.changed())
        .await
        .expect("who skipped the row is told");
    let second = db.begin().await.unwrap();
    assert_eq!(second.claim(KeyRange::prefix(b("q/")), 1).await.unwrap().len(), 1);
}

pub async fn claims_give_every_row_once(db: Db) {
    for n in 0..4 {
        db.transact(|tx| async move {
            for i in 0..50 {
                tx.put(format!("q/{:04}", n * 50 + i), b("m"))?;
            }
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
    }
    let take = |_| {
        let db = db.clone();
        tokio::spawn(async move {
            let mut taken = Vec::new();
            loop {
                let rows = db.transact(|tx| async move {
                    let rows = tx.claim(KeyRange::prefix(b("q/")), 7).await?;
                    for (key, _) in &rows {
                        tx.delete(key.clone())?;
                    }
                    Ok::<_, Error>(rows)
                });
                let rows = rows.await.unwrap();
                taken.extend(rows.iter().map(|(key, _)| key.clone()));
                if rows.is_empty()
                    && db
                        .begin()
                        .await
                        .unwrap()
                        .range(KeyRange::prefix(b("q/")), 1, false)
                        .await
                        .unwrap()
                        .is_empty()
                {
                    return taken;
                }
            }
        })
    };
    let taken: Vec<Bytes> =
        join_all((0..8).map(take)).await.into_iter().flat_map(Result::unwrap).collect();
    assert_eq!(taken.len(), 200);
    assert_eq!(taken.iter().collect::<BTreeSet<_>>().len(), 200);
}

pub async fn a_changed_row_is_not_claimed_twice(db: Db) {
    put(&db, &[("q/1", "a"), ("q/2", "b")]).await;
    let late = db.begin().await.unwrap();
    late.get(b"anything").await.unwrap();
    db.transact(|tx| async move {
        let rows = tx.claim(KeyRange::prefix(b("q/")), 1).await?;
        tx.delete(rows[0].0.clone())
    })
    .await
    .unwrap();
    // Its moment is older: either it does not get the row, or it cannot commit.
    let rows = late.claim(KeyRange::prefix(b("q/")), 2).await.unwrap();
    for (key, _) in &rows {
        late.delete(key.clone()).unwrap();
        late.put(b("done"), key.clone()).unwrap();
    }
    let committed = late.commit().await.is_ok();
    assert!(!committed || rows.iter().all(|(key, _)| key == "q/2"), "{rows:?}");
}

pub async fn writing_a_claimed_row_conflicts(db: Db) {
    put(&db, &[("q/1", "a")]).await;
    let holder = db.begin().await.unwrap();
    let rows = holder.claim(KeyRange::prefix(b("q/")), 1).await.unwrap();
    let other = db.begin().await.unwrap();
    other.put(b("q/1"), b("stolen")).unwrap();
    let stolen = other.commit().await;
    holder.delete(rows[0].0.clone()).unwrap();
    holder.put(b("by"), b("holder")).unwrap();
    let held = holder.commit().await;
    assert!(stolen.is_ok() != held.is_ok(), "exactly one of them wins: {stolen:?} {held:?}");
    let by = get(&db, "by").await;
    assert_eq!(by.is_some(), held.is_ok());
}

pub async fn own_rows_are_not_claimed(db: Db) {
    put(&db, &[("q/1", "a"), ("q/2", "b")]).await;
    let tx = db.begin().await.unwrap();
    tx.put(b("q/0"), b("own")).unwrap();
    tx.delete(b("q/1")).unwrap();
    let rows = tx.claim(KeyRange::prefix(b("q/")), 5).await.unwrap();
    assert_eq!(rows, [(b("q/2"), b("b"))]);
    assert_eq!(tx.get(b"q/2").await.unwrap().unwrap(), "b");
}

pub async fn limits_are_enforced(db: Db) {
    let tx = db.begin().await.unwrap();
    tx.put(vec![b'k'; KEY_BYTES_MAX], b("v")).unwrap();
    assert!(matches!(
        tx.put(vec![b'k'; KEY_BYTES_MAX + 1], b("v")),
        Err(Error::TooLarge { what: "a key", .. })
    ));
    assert!(matches!(tx.get(&[b'k'; KEY_BYTES_MAX + 1]).await, Err(Error::TooLarge { .. })));
    assert!(matches!(
        tx.put(b("k"), vec![0; VALUE_BYTES_MAX + 1]),
        Err(Error::TooLarge { what: "a value", .. })
    ));
    for n in 0..7 {
        tx.put(format!("k{n}"), vec![0; VALUE_BYTES_MAX]).unwrap();
    }
    assert!(matches!(
        tx.put(b("z"), vec![0; VALUE_BYTES_MAX]),
        Err(Error::TooLarge { what: "a transaction", .. })
    ));
    tx.put(b("k0"), b("smaller")).unwrap();
    tx.put(b("z"), vec![0; VALUE_BYTES_MAX]).unwrap();
    tx.commit().await.unwrap();
    assert_eq!(db.begin().await.unwrap().get(&[b'k'; KEY_BYTES_MAX]).await.unwrap().unwrap(), "v");
}

pub async fn large_values_come_back(db: Db) {
    let value: Vec<u8> = (0..VALUE_BYTES_MAX).map(|n| (n * 31 % 251) as u8).collect();
    let stored = Bytes::from(value);
    let large = stored.clone();
    db.transact(|tx| {
        let large = large.clone();
        async move { tx.put(b("large"), large) }
    })
    .await
    .unwrap();
    assert_eq!(db.begin().await.unwrap().get(b"large").await.unwrap().unwrap(), stored);
    put(&db, &[("large", "small")]).await;
    assert_eq!(get(&db, "large").await.as_deref(), Some("small"));
}

pub async fn watches_tell(db: Db) {
    let mut watch = db.watch(b"q/");
    let mut other = db.watch(b"r/");
    put(&db, &[("q/5", "a"), ("q/3", "a")]).await;
    tokio::time::timeout(Duration::from_secs(10), watch.changed()).await.unwrap();
    assert_eq!(watch.take_lowest().unwrap(), "q/3");
    assert!(other.changed().now_or_never().is_none());
    db.transact(|tx| async move { tx.add(b("r/n"), 1) }).await.unwrap();
    tokio::time::timeout(Duration::from_secs(10), other.changed()).await.unwrap();
}

pub async fn a_transaction_is_over_when_it_ends(db: Db) {
    let tx = db.begin().await.unwrap();
    tx.put(b("a"), b("1")).unwrap();
    tx.commit().await.unwrap();
    assert!(matches!(tx.put(b("b"), b("1")), Err(Error::Closed { .. })));
    assert!(matches!(tx.get(b"a").await, Err(Error::Closed { .. })));
    assert!(matches!(tx.commit().await, Err(Error::Closed { .. })));
}

#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
struct PersonRow {
    name: String,
    #[serde(default)]
    age: u32,
}

impl Row for PersonRow {
    const VERSION: u8 = 2;

    fn upgrade(version: u8, bytes: &[u8]) -> Result<Self, Error> {
        assert_eq!(version, 1);
        let name: String = undercast_store::decode_row(bytes)?;
        Ok(PersonRow { name, age: 0 })
    }
}

const PEOPLE: Table<(String, u64), PersonRow> = Table::new(1, "people");
const OLD_PEOPLE: Table<(String, u64), String> = Table::new(1, "people");
const NAMES: Table<(String, String), ()> = Table::new(1, "names");

pub async fn typed_tables_page(db: Db) {
    db.transact(|tx| async move {
        for n in 0..5 {
            PEOPLE.put(&tx, &("a".to_owned(), n), &PersonRow { name: format!("a{n}"), age: 30 })?;
            PEOPLE.put(
                &tx,
                &("ab".to_owned(), n),
                &PersonRow { name: format!("ab{n}"), age: 30 },
            )?;
        }
        for name in ["photos/1", "photos/2", "photo", "q"] {
            NAMES.put(&tx, &("bucket".to_owned(), name.to_owned()), &())?;
        }
        OLD_PEOPLE.put(&tx, &("old".to_owned(), 1), &"Ann".to_owned())
    })
    .await
    .unwrap();
    let page = PEOPLE.list(&db, PEOPLE.prefix("a"), 2, false).await.unwrap();
    assert_eq!(page.iter().map(|(_, row)| row.name.as_str()).collect::<Vec<_>>(), ["a0", "a1"]);
    let rest = PEOPLE.list(&db, PEOPLE.after("a", &page[1].0), 10, false).await.unwrap();
    assert_eq!(rest.iter().map(|(key, _)| key.1).collect::<Vec<_>>(), [2, 3, 4]);
    let from = PEOPLE.list(&db, PEOPLE.from("a", &("a", 3u64)), 10, true).await.unwrap();
    assert_eq!(from.iter().map(|(key, _)| key.1).collect::<Vec<_>>(), [4, 3]);
    let old = PEOPLE.read(&db, &("old".to_owned(), 1)).await.unwrap().unwrap();
    assert_eq!(old, PersonRow { name: "Ann".to_owned(), age: 0 });
    let photos =
        NAMES.list(&db, NAMES.starting_with("bucket", "photos/"), 10, false).await.unwrap();
    assert_eq!(photos.len(), 2);
    let claimed =
        db.transact(|tx| async move { PEOPLE.claim(&tx, PEOPLE.all(), 1).await }).await.unwrap();
    assert_eq!(claimed[0].1.name, "a0");
}

pub async fn snapshots_do_not_move(db: Db) {
    put(&db, &[("a", "1"), ("b", "1")]).await;
    let tx = db.begin().await.unwrap();
    tx.get(b"a").await.unwrap();
    put(&db, &[("b", "2"), ("c", "2")]).await;
    assert_eq!(tx.get(b"b").await.unwrap().unwrap(), "1");
    assert_eq!(keys(&tx, KeyRange::all(), 10, false).await, ["a", "b"]);
}

pub async fn clear_leaves_nothing(db: Db) {
    put(&db, &[("a", "1"), ("b", "1")]).await;
    db.transact(|tx| async move { tx.add(b("c"), 1) }).await.unwrap();
    let id = db.blobs().put(b("a blob")).await.unwrap();
    db.clear().await.unwrap();
    assert!(keys(&db.begin().await.unwrap(), KeyRange::all(), 10, false).await.is_empty());
    assert_eq!(db.begin().await.unwrap().sum(b"c").await.unwrap(), 0);
    assert!(matches!(db.blobs().get(&id).await, Err(Error::BlobMissing { .. })));
    put(&db, &[("a", "2")]).await;
    assert_eq!(get(&db, "a").await.as_deref(), Some("2"));
}

/// Random transfers between accounts, with readers that must always see the same total.
pub async fn transfers_keep_the_total(db: Db) {
    const ACCOUNTS: Table<u64, i64> = Table::new(2, "accounts");
    db.transact(|tx| async move { (0..6).try_for_each(|n| ACCOUNTS.put(&tx, &n, &100)) })
        .await
        .unwrap();
    let mover = |seed: u64| {
        let db = db.clone();
        tokio::spawn(async move {
            for step in 0..15u64 {
                let from = (seed * 7 + step * 3) % 6;
                let to = (from + 1 + (seed + step) % 5) % 6;
                db.transact(|tx| async move {
                    let left = ACCOUNTS.get(&tx, &from).await?.unwrap();
                    let right = ACCOUNTS.get(&tx, &to).await?.unwrap();
                    ACCOUNTS.put(&tx, &from, &(left - 5))?;
                    ACCOUNTS.put(&tx, &to, &(right + 5))
                })
                .await
                .unwrap();
                let rows = ACCOUNTS.list(&db, ACCOUNTS.all(), 10, false).await.unwrap();
                assert_eq!(rows.iter().map(|(_, balance)| balance).sum::<i64>(), 600);
            }
        })
    };
    join_all((0..8).map(mover)).await.into_iter().for_each(|done| done.unwrap());
}

pub async fn before_images_are_recorded(db: Db) {
    put(&db, &[("a", "1"), ("b", "1")]).await;
    let recorder = Recorder::new(1 << 20);
    let recording = db.recording(&recorder);
    put(&recording, &[("a", "2"), ("c", "2")]).await;
    recording.transact(|tx| async move { tx.delete(b("a")) }).await.unwrap();
    let effects = recorder.effects().rows;
    let rows: Vec<_> = effects
        .iter()
        .map(|row| (&row.key[..], row.before.as_deref(), row.after.as_deref()))
        .collect();
    assert_eq!(rows, [(&b"a"[..], Some(&b"1"[..]), None), (b"c", None, Some(&b"2"[..]))]);
}

/// Everything that a store shows.
async fn shown(db: &Db, counters: &[&str]) -> (Vec<(Bytes, Bytes)>, Vec<i64>) {
    let tx = db.begin().await.unwrap();
    let rows = tx.range(KeyRange::all(), 100_000, false).await.unwrap();
    let sums = join_all(counters.iter().map(|counter| tx.sum(counter.as_bytes()))).await;
    (rows, sums.into_iter().map(Result::unwrap).collect())
}

async fn add(db: &Db, counter: &'static str, delta: i64) {
    db.transact(|tx| async move { tx.add(counter, delta) }).await.unwrap();
}

async fn put_blob(
    db: &Db,
    content: &'static [u8],
    owner: &'static [u8],
) -> undercast_store::BlobId {
    let id = db.blobs().put(content).await.unwrap();
    db.transact(|tx| async move { tx.link_blob(&id, owner) }).await.unwrap();
    id
}

async fn restore(db: &Db, file: &std::path::Path) -> Result<Archived, Error> {
    db.restore(&Archive::open(file).await?).await
}

pub async fn an_archive_brings_everything_back(db: Db) {
    let counters = ["kept", "changed", "new", "gone"];
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("archive");
    for start in (0..6000).step_by(500) {
        let rows: Vec<(String, String)> =
            (start..start + 500).map(|n| (format!("row {n:05}"), "x".repeat(n % 90))).collect();
        let rows: Vec<(&str, &str)> = rows.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        put(&db, &rows).await;
    }
    add(&db, "kept", 7).await;
    add(&db, "changed", -3).await;
    add(&db, "gone", 1).await;
    add(&db, "gone", -1).await;
    let blob = put_blob(&db, b"a blob", b"owner").await;
    db.blobs().put(&b"nobody's"[..]).await.unwrap();
    let before = shown(&db, &counters).await;
    let extras = Extras::from([("a name".to_owned(), b("a note")), ("b".to_owned(), b(""))]);
    let saved = db.save(&file, &extras).await.unwrap();
    assert_eq!((saved.rows, saved.counters, saved.blobs), (6001, 2, 1));
    let archive = Archive::open(&file).await.unwrap();
    assert_eq!((archive.holds, &archive.extras), (saved, &extras));
    // Nothing is different.
    assert_eq!(restore(&db, &file).await.unwrap(), Default::default());
    db.transact(|tx| async move {
        tx.put("row 00007", "changed")?;
        tx.put("row 00007a", "added")?;
        tx.delete("row 05999")?;
        tx.put("a", "before all")?;
        tx.put("z", "after all")?;
        tx.unlink_blob(&blob, b"owner")?;
        tx.add("changed", 1)?;
        tx.add("new", 9)?;
        tx.add("gone", 5)
    })
    .await
    .unwrap();
    assert_eq!(db.blobs().collect(&db, Duration::ZERO).await.unwrap().blobs, 2);
    let mut watch = db.watch(b"row 00007a");
    let restored = restore(&db, &file).await.unwrap();
    assert_eq!((restored.rows, restored.counters, restored.blobs), (6, 3, 1));
    watch.changed().await;
    assert_eq!(shown(&db, &counters).await, before);
    assert_eq!(db.blobs().get(&blob).await.unwrap(), "a blob");
    // The same into a store that is empty.
    db.clear().await.unwrap();
    restore(&db, &file).await.unwrap();
    assert_eq!(shown(&db, &counters).await, before);
    // What is written afterwards counts from there.
    add(&db, "kept", 1).await;
    assert_eq!(shown(&db, &["kept"]).await.1, [8]);
}

pub async fn a_damaged_archive_changes_nothing(db: Db) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("archive");
    put(&db, &[("a", "1"), ("b", "2")]).await;
    put_blob(&db, b"a blob", b"owner").await;
    db.save(&file, &Extras::new()).await.unwrap();
    put(&db, &[("a", "3")]).await;
    let before = shown(&db, &[]).await;
    let whole = std::fs::read(&file).unwrap();
    let damaged = (0..whole.len()).map(|at| {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        bytes
    });
    let cut = (0..whole.len()).map(|length| whole[..length].to_vec());
    for bytes in damaged.chain(cut).step_by(3) {
        std::fs::write(&file, bytes).unwrap();
        let refused = restore(&db, &file).await;
        assert!(matches!(refused, Err(Error::Format { .. })), "{refused:?}");
    }
    assert_eq!(shown(&db, &[]).await, before);
}

pub async fn what_began_before_a_restore_runs_again(db: Db) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("archive");
    put(&db, &[("a", "old")]).await;
    db.save(&file, &Extras::new()).await.unwrap();
    put(&db, &[("a", "new"), ("claimed", "1")]).await;
    let early = db.begin().await.unwrap();
    assert_eq!(early.get(b"a").await.unwrap().unwrap(), "new");
    let blind = db.begin().await.unwrap();
    blind.put("late", "x").unwrap();
    early.put("seen", "new").unwrap();
    let era = db.era();
    restore(&db, &file).await.unwrap();
    assert_ne!(db.era(), era);
    for tx in [early, blind] {
        assert!(matches!(tx.commit().await, Err(Error::Conflict { .. })));
    }
    assert_eq!(shown(&db, &[]).await.0, [(b("a"), b("old"))]);
    // Many write while the store is exchanged again and again: afterwards it is what was saved, or more.
    let writers = (0..4).map(|writer| {
        let db = db.clone();
        async move {
            for n in 0..50 {
                put(
                    &db,
                    &[
                        (&format!("w{writer}"), &format!("{n}")),
                        (&format!("v{writer}"), &format!("{n}")),
                    ],
                )
                .await;
            }
        }
    });
    let restores = async {
        for _ in 0..10 {
            restore(&db, &file).await.unwrap();
        }
    };
    futures::join!(join_all(writers), restores);
    let rows: std::collections::BTreeMap<_, _> = shown(&db, &[]).await.0.into_iter().collect();
    for writer in 0..4 {
        assert_eq!(rows.get(&b(&format!("w{writer}"))), rows.get(&b(&format!("v{writer}"))));
    }
}
