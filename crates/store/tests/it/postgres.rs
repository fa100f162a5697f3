//! The suite on a real PostgreSQL, and what only a shared database can do.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use undercast_store::{
    Db, Durability, Env, Error, KeyRange, Location, NewTask, Options, Outcome, TaskKind, TaskRunner,
};

use crate::server::Server;
use crate::suite::with_cases;

async fn open(server: &Server, database: &str) -> Db {
    let location = Location::Postgres { url: server.url(database), blobs: server.blobs(database) };
    let options = Options { location, durability: Durability::Fsync, ..Options::memory() };
    Db::open(options, Env::system()).await.unwrap()
}

macro_rules! run_all {
    ($server:expr; $($case:ident),* $(,)?) => {
        $(
            eprintln!("case {}", stringify!($case));
            $server.create(stringify!($case)).await;
            let db = open($server, stringify!($case)).await;
            crate::suite::$case(db.clone()).await;
            db.close().await;
        )*
    };
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_suite() {
    let Some(server) = Server::start().await else {
        return;
    };
    let server = &server;
    with_cases!(run_all, server);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_share_rows_claims_and_hints() {
    let Some(server) = Server::start().await else {
        return;
    };
    server.create("shared").await;
    let nodes = [open(&server, "shared").await, open(&server, "shared").await];
    let mut watch = nodes[1].watch(b"q/");
    for chunk in 0..4 {
        nodes[0]
            .transact(|tx| async move {
                (0..50).try_for_each(|n| tx.put(format!("q/{:04}", chunk * 50 + n), "m"))?;
                tx.add("sent", 50)
            })
            .await
            .unwrap();
    }
    tokio::time::timeout(Duration::from_secs(10), watch.changed())
        .await
        .expect("a hint comes from the other node");
    assert!(watch.take_lowest().unwrap().starts_with(b"q/"));
    let take = |n: usize| {
        let db = nodes[n % 2].clone();
        tokio::spawn(async move {
            let mut taken = Vec::new();
            loop {
                let rows = db.transact(|tx| async move {
                    let rows = tx.claim(KeyRange::prefix(Bytes::from_static(b"q/")), 7).await?;
                    for (key, _) in &rows {
                        tx.delete(key.clone())?;
                        tx.add("taken", 1)?;
                    }
                    Ok::<_, Error>(rows)
                });
                let rows = rows.await.unwrap();
                taken.extend(rows.into_iter().map(|(key, _)| key));
                let rest = db.begin().await.unwrap();
                if rest
                    .range(KeyRange::prefix(Bytes::from_static(b"q/")), 1, false)
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
    assert_eq!((taken.len(), taken.iter().collect::<BTreeSet<_>>().len()), (200, 200));
    for counter in ["sent", "taken"] {
        assert_eq!(nodes[1].begin().await.unwrap().sum(counter.as_bytes()).await.unwrap(), 200);
    }
}

/// Connections die at any moment, in the middle of commits, too: what is acknowledged happened, and happened once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dying_connections_neither_lose_nor_repeat_a_commit() {
    let Some(server) = Server::start().await else {
        return;
    };
    server.create("dying").await;
    let db = open(&server, "dying").await;
    let (stop, kills) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
    let killer = {
        let (client, stop, kills) = (server.client("postgres").await, stop.clone(), kills.clone());
        tokio::spawn(async move {
            let sql = "select count(*) from (select pg_terminate_backend(pid) from pg_stat_activity
                where application_name = 'undercast' order by random() limit 3) as killed";
            while !stop.load(Ordering::SeqCst) {
                let killed: i64 = client.query_one(sql, &[]).await.unwrap().get(0);
                kills.fetch_add(u32::try_from(killed).unwrap(), Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(15)).await;
            }
        })
    };
    let work = |worker: usize| {
        let db = db.clone();
        tokio::spawn(async move {
            let (mut acknowledged, mut refused) = (0, 0);
            for n in 0..12 {
                let done = db.transact(|tx| async move {
                    let key = format!("n{}", worker % 3);
                    let value = tx
                        .get(key.as_bytes())
                        .await?
                        .map_or(0, |value| u64::from_be_bytes(value.as_ref().try_into().unwrap()));
                    tx.put(key, Bytes::copy_from_slice(&(value + 1).to_be_bytes()))?;
                    tx.put(format!("log/{worker}/{n}"), "x")?;
                    tx.add("all", 1)
                });
                match done.await {
                    Ok(()) => acknowledged += 1,
                    Err(
                        Error::Conflict { .. } | Error::Unavailable { .. } | Error::TooSlow { .. },
                    ) => refused += 1,
                    Err(error) => panic!("{error}"),
                }
            }
            (acknowledged, refused)
        })
    };
    let done: Vec<(i64, i64)> =
        join_all((0..6).map(work)).await.into_iter().map(Result::unwrap).collect();
    stop.store(true, Ordering::SeqCst);
    killer.await.unwrap();
    let acknowledged: i64 = done.iter().map(|(acknowledged, _)| acknowledged).sum();
    let refused: i64 = done.iter().map(|(_, refused)| refused).sum();
    let counted = loop {
        let Ok(tx) = db.begin().await else { continue };
        let Ok(rows) = tx.range(KeyRange::prefix(Bytes::from_static(b"n")), 10, false).await else {
            continue;
        };
        let Ok(all) = tx.sum(b"all").await else {
            continue;
        };
        let sum: u64 = rows
            .iter()
            .map(|(_, value)| u64::from_be_bytes(value.as_ref().try_into().unwrap()))
            .sum();
        assert_eq!(i64::try_from(sum).unwrap(), all, "a commit is whole or not at all");
        break all;
    };
    eprintln!(
        "{acknowledged} acknowledged, {refused} refused, {counted} counted, {} connections killed",
        kills.load(Ordering::SeqCst)
    );
    assert!(kills.load(Ordering::SeqCst) > 20);
    assert_eq!(
        counted, acknowledged,
        "nothing refused took place, nothing acknowledged is missing or doubled"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_run_once_on_any_node() {
    let Some(server) = Server::start().await else {
        return;
    };
    server.create("tasks").await;
    let nodes = [open(&server, "tasks").await, open(&server, "tasks").await];
    let runs = Arc::new(AtomicU32::new(0));
    let kind = |db: &Db| {
        let (db, runs) = (db.clone(), runs.clone());
        TaskKind::new("once", move |task| {
            let (db, runs) = (db.clone(), runs.clone());
            async move {
                db.transact(|tx| {
                    let task = task.clone();
                    async move {
                        tx.add("runs", 1)?;
                        task.complete(&tx)
                    }
                })
                .await?;
                runs.fetch_add(1, Ordering::SeqCst);
                Ok(Outcome::Done)
            }
        })
    };
    let runners: Vec<TaskRunner> =
        nodes.iter().map(|db| TaskRunner::start(db.clone(), vec![kind(db)])).collect();
    let now = nodes[0].env().clock.now_ms();
    for n in 0..60 {
        nodes[n % 2]
            .transact(|tx| async move {
                tx.spawn(NewTask {
                    kind: "once",
                    key: Vec::new(),
                    due_ms: now,
                    payload: Bytes::new(),
                })
                .map(drop)
            })
            .await
            .unwrap();
    }
    for _ in 0..300 {
        if runs.load(Ordering::SeqCst) >= 60 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(nodes[0].begin().await.unwrap().sum(b"runs").await.unwrap(), 60);
    assert!(nodes[0].tasks().list(None, None, 10).await.unwrap().is_empty());
    for runner in &runners {
        runner.drain().await;
    }
}
