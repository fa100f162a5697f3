//! The dark overlay.

use bytes::Bytes;
use undercast_store::sim::Sim;
use undercast_store::{
    Db, Error, KeyRange, NewTask, Options, Outcome, OverlayOptions, Recorder, TaskEffect, TaskKind,
    TaskRunner,
};

fn b(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

async fn put(db: &Db, key: &str, value: &str) {
    db.transact(|tx| async move { tx.put(b(key), b(value)) }).await.unwrap();
}

async fn all(db: &Db) -> Vec<String> {
    let rows = db
        .begin()
        .await
        .unwrap()
        .range(KeyRange::between(b("a"), b("z")), 100, false)
        .await
        .unwrap();
    rows.into_iter()
        .map(|(key, value)| {
            format!("{}={}", String::from_utf8_lossy(&key), String::from_utf8_lossy(&value))
        })
        .collect()
}

fn in_sim<Fut: Future<Output = ()> + Send + 'static>(scenario: impl Fn(Db) -> Fut) {
    let sim = Sim::new(1);
    let env = sim.env();
    let opening = env.clone();
    let db = sim.block_on(async move { Db::open(Options::memory(), opening).await.unwrap() });
    sim.block_on(scenario(db));
}

#[test]
fn what_is_written_in_the_dark_stays_there_as_effects() {
    in_sim(|db| async move {
        put(&db, "a", "1").await;
        put(&db, "b", "1").await;
        let overlay = db.overlay(OverlayOptions::default());
        let dark = overlay.db();
        put(&dark, "a", "2").await;
        dark.transact(|tx| async move {
            tx.delete(b("b"))?;
            tx.put(b("c"), b("3"))?;
            tx.add(b("n"), 4)
        })
        .await
        .unwrap();
        assert_eq!(all(&dark).await, ["a=2", "c=3"]);
        assert_eq!(all(&db).await, ["a=1", "b=1"]);
        assert_eq!(dark.begin().await.unwrap().sum(b"n").await.unwrap(), 4);
        assert_eq!(db.begin().await.unwrap().sum(b"n").await.unwrap(), 0);
        let effects = overlay.effects();
        let rows: Vec<_> = effects
            .rows
            .iter()
            .map(|row| (&row.key[..], row.before.as_deref(), row.after.as_deref()))
            .collect();
        assert_eq!(
            rows,
            [
                (&b"a"[..], Some(&b"1"[..]), Some(&b"2"[..])),
                (b"b", Some(b"1"), None),
                (b"c", None, Some(b"3"))
            ]
        );
        assert_eq!(effects.counters, [(b("n"), 4)]);
        // Live data goes on under what the overlay did not touch.
        put(&db, "d", "live").await;
        put(&db, "a", "live").await;
        assert_eq!(all(&dark).await, ["a=2", "c=3", "d=live"]);
        assert!(dark.clear().await.is_err());
    });
}

#[test]
fn the_overlay_does_not_see_its_primary() {
    in_sim(|db| async move {
        put(&db, "a", "1").await;
        put(&db, "q1", "m").await;
        db.transact(|tx| async move { tx.add(b("n"), 10) }).await.unwrap();
        let recorder = Recorder::new(1 << 20);
        let primary = db.recording(&recorder);
        for value in ["2", "3"] {
            put(&primary, "a", value).await;
        }
        primary
            .transact(|tx| async move {
                let rows = tx.claim(KeyRange::prefix(b("q")), 1).await?;
                tx.delete(rows[0].0.clone())?;
                tx.add(b("n"), 5)?;
                tx.put(b("new"), b("x"))
            })
            .await
            .unwrap();
        put(&db, "other", "y").await;
        assert_eq!(all(&db).await, ["a=3", "new=x", "other=y"]);
        let overlay = db.overlay(OverlayOptions {
            without: vec![recorder.clone()],
            ..OverlayOptions::default()
        });
        let dark = overlay.db();
        assert_eq!(all(&dark).await, ["a=1", "other=y", "q1=m"]);
        assert_eq!(dark.begin().await.unwrap().sum(b"n").await.unwrap(), 10);
        // Doing the same in the dark has the same effects.
        put(&dark, "a", "2").await;
        put(&dark, "a", "3").await;
        dark.transact(|tx| async move {
            let rows = tx.claim(KeyRange::prefix(b("q")), 1).await?;
            tx.delete(rows[0].0.clone())?;
            tx.add(b("n"), 5)?;
            tx.put(b("new"), b("x"))
        })
        .await
        .unwrap();
        assert_eq!(overlay.effects(), recorder.effects());
        assert!(!recorder.is_cut());
    });
}

#[test]
fn tasks_of_the_dark_are_effects_and_never_run() {
    in_sim(|db| async move {
        let overlay = db.overlay(OverlayOptions::default());
        let dark = overlay.db();
        let due_ms = db.env().clock.now_ms();
        let kind = || {
            TaskKind::new("dark", |_| async {
                panic!("a task of the dark ran") as Result<Outcome, _>
            })
        };
        let live = TaskRunner::start(db.clone(), vec![kind()]);
        let wrong = TaskRunner::start(dark.clone(), vec![kind()]);
        dark.transact(|tx| async move {
            tx.spawn(NewTask { kind: "dark", key: b"k".to_vec(), due_ms, payload: b("p") })
                .map(drop)
        })
        .await
        .unwrap();
        db.env().clock.sleep(std::time::Duration::from_secs(60)).await;
        let spawned = TaskEffect::Spawned {
            kind: "dark".into(),
            key: b"k".to_vec(),
            due_ms,
            payload: b"p".to_vec(),
        };
        let effects = overlay.effects();
        assert_eq!(effects.tasks, [spawned]);
        assert!(effects.rows.is_empty());
        assert!(db.tasks().list(None, None, 10).await.unwrap().is_empty());
        drop((live, wrong));
    });
}

#[test]
fn the_dark_keeps_the_rules_and_its_bound() {
    in_sim(|db| async move {
        put(&db, "a", "1").await;
        let overlay = db.overlay(OverlayOptions { bytes_max: 100, ..OverlayOptions::default() });
        let dark = overlay.db();
        let first = dark.begin().await.unwrap();
        first.get(b"a").await.unwrap();
        put(&dark, "a", "2").await;
        first.put(b("b"), b("1")).unwrap();
        assert!(matches!(first.commit().await, Err(Error::Conflict { .. })));
        let (one, two) = (dark.begin().await.unwrap(), dark.begin().await.unwrap());
        assert_eq!(one.claim(KeyRange::prefix(b("a")), 1).await.unwrap().len(), 1);
        assert!(two.claim(KeyRange::prefix(b("a")), 1).await.unwrap().is_empty());
        assert_eq!(
            db.begin().await.unwrap().claim(KeyRange::prefix(b("a")), 1).await.unwrap().len(),
            1
        );
        drop((one, two));
        let full = dark.transact(|tx| async move { tx.put(b("c"), vec![0; 200]) }).await;
        assert!(matches!(full, Err(Error::OverlayFull { .. })));
    });
}
