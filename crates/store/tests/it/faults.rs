//! Crashes and failures under simulation: thousands of runs, each told by its seed.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use undercast_store::sim::{Sim, SimRng};
use undercast_store::{
    Blobs, Db, Durability, Error, KeyRange, NewTask, Outcome, TaskKind, TaskRunner, TaskState,
};
use undercast_testkit::{Disk, Faults};

const SEEDS: u64 = 1500;

/// What the clients of a run were told.
#[derive(Default)]
struct Told {
    acknowledged: BTreeSet<String>,
    refused: u64,
}

fn number(value: Option<Bytes>) -> u64 {
    value.map_or(0, |value| u64::from_be_bytes(value.as_ref().try_into().unwrap()))
}

/// Clients that each write a row of the log, count it twice, and move a token from one place to another.
async fn client(db: Db, name: String, told: Arc<Mutex<Told>>) {
    for n in 0..40 {
        let entry = format!("log/{name}/{n:03}");
        let done = db.transact(|tx| {
            let entry = entry.clone();
            async move {
                let count = number(tx.get(b"count").await?);
                tx.put("count", Bytes::copy_from_slice(&(count + 1).to_be_bytes()))?;
                tx.add("sum", 1)?;
                for (token, _) in tx.claim(KeyRange::prefix(&b"token/"[..]), 1).await? {
                    tx.delete(token)?;
                    tx.put(format!("token/{}", tx.ids().hex(8)), "")?;
                }
                tx.put(entry, "")
            }
        });
        match done.await {
            Ok(()) => drop(told.lock().unwrap().acknowledged.insert(entry)),
            Err(_) => told.lock().unwrap().refused += 1,
        }
    }
}

fn text(key: &[u8]) -> String {
    String::from_utf8_lossy(key).into_owned()
}

/// What is wrong with the store after a crash, if anything.
async fn examine(db: Db, acknowledged: BTreeSet<String>) -> Option<String> {
    let tx = db.begin().await.unwrap();
    let log = tx.range(KeyRange::prefix(&b"log/"[..]), 100_000, false).await.unwrap();
    let log: BTreeSet<String> = log.iter().map(|(key, _)| text(key)).collect();
    if let Some(lost) = acknowledged.difference(&log).next() {
        return Some(format!("{lost} was acknowledged and is lost"));
    }
    let count = number(tx.get(b"count").await.unwrap());
    let sum = tx.sum(b"sum").await.unwrap();
    let tokens = tx.range(KeyRange::prefix(&b"token/"[..]), 100, false).await.unwrap().len();
    let whole = (log.len() as u64, i64::try_from(log.len()).unwrap(), 3);
    ((count, sum, tokens) != whole).then(|| format!("{count} {sum} {tokens} instead of {whole:?}"))
}

struct Run {
    problem: Option<String>,
    trace: u64,
    acknowledged: usize,
    refused: u64,
}

/// A store that lives three times, with crashes between.
fn run(seed: u64, durability: Durability, fails_one_in: u64) -> Run {
    let mut rng = SimRng::new(seed);
    let disk = Arc::new(Disk::default());
    let told = Arc::new(Mutex::new(Told::default()));
    let sim = Sim::new(seed);
    for life in 0..3u64 {
        let env = sim.env();
        let open = |fails_one_in| {
            let engine = Faults::new(&disk, &env, seed ^ life, fails_one_in);
            Db::open_on(Arc::new(engine), Blobs::memory(&env), durability, env.clone()).unwrap()
        };
        let db = open(if life == 0 { 0 } else { fails_one_in });
        let telling = told.clone();
        let until = Duration::from_micros(500 + rng.below(60_000));
        sim.block_on(async move {
            if life == 0 {
                let tokens = db.transact(|tx| async move {
                    (0..3).try_for_each(|n| tx.put(format!("token/{n}"), ""))
                });
                tokens.await.unwrap_or_else(|error: Error| panic!("{error}"));
                db.close().await;
                return;
            }
            for n in 0..4 {
                let name = format!("{life}-{n}");
                db.env().spawn("client", client(db.clone(), name, telling.clone()));
            }
            db.env().clock.sleep(until).await;
        });
        sim.kill_all();
        disk.crash(&mut rng);
        if life > 0 {
            let acknowledged = {
                let told = told.lock().unwrap();
                told.acknowledged.clone()
            };
            let reopened = open(0);
            let problem = sim.block_on(examine(reopened, acknowledged));
            sim.kill_all();
            if problem.is_some() {
                return outcome(&sim, &told, problem);
            }
        }
    }
    outcome(&sim, &told, None)
}

fn outcome(sim: &Sim, told: &Mutex<Told>, problem: Option<String>) -> Run {
    let told = told.lock().unwrap();
    Run {
        problem,
        trace: sim.trace(),
        acknowledged: told.acknowledged.len(),
        refused: told.refused,
    }
}

#[test]
fn a_crash_at_any_moment_loses_nothing_acknowledged() {
    let mut acknowledged = 0;
    for seed in 0..SEEDS {
        let run = run(seed, Durability::Fsync, 0);
        assert_eq!(run.problem, None, "seed {seed}");
        acknowledged += run.acknowledged;
    }
    assert!(acknowledged as u64 > SEEDS * 10, "{acknowledged}");
}

#[test]
fn a_failed_sync_ends_all_acknowledging() {
    let mut refused = 0;
    for seed in 0..SEEDS {
        let run = run(seed, Durability::Fsync, 10);
        assert_eq!(run.problem, None, "seed {seed}");
        refused += run.refused;
    }
    assert!(refused > SEEDS, "{refused}");
}

/// The test of the test: without syncs the same crashes must be noticed.
#[test]
fn without_syncs_the_loss_is_noticed() {
    let lost = (0..50).filter(|seed| run(*seed, Durability::None, 0).problem.is_some()).count();
    assert!(lost > 25, "{lost} of 50");
}

#[test]
fn a_run_can_be_repeated() {
    for seed in 0..50 {
        let (first, second) = (run(seed, Durability::Fsync, 20), run(seed, Durability::Fsync, 20));
        assert_eq!(
            (first.trace, first.acknowledged),
            (second.trace, second.acknowledged),
            "seed {seed}"
        );
    }
}

/// Each task adds once to a sum, in the transaction that completes it, whatever crashes.
#[test]
fn tasks_take_effect_exactly_once() {
    for seed in 0..300 {
        let mut rng = SimRng::new(seed);
        let disk = Arc::new(Disk::default());
        let sim = Sim::new(seed);
        for life in 0..6u64 {
            let env = sim.env();
            let engine = Faults::new(&disk, &env, seed + life, 0);
            let db =
                Db::open_on(Arc::new(engine), Blobs::memory(&env), Durability::Fsync, env.clone())
                    .unwrap();
            let until = Duration::from_millis(if life == 5 { 60_000 } else { 5 + rng.below(60) });
            let left = sim.block_on(async move {
                if life == 0 {
                    spawn_tasks(&db).await;
                }
                let _runner = TaskRunner::start(db.clone(), vec![counting(&db)]);
                db.env().clock.sleep(until).await;
                let tasks = db.tasks().list(None, None, 100).await.unwrap();
                let sum = db.begin().await.unwrap().sum(b"sum").await.unwrap();
                (sum, tasks.len(), tasks.iter().any(|task| task.state == TaskState::Dead))
            });
            sim.kill_all();
            disk.crash(&mut rng);
            assert_eq!(
                left.0 + i64::try_from(left.1).unwrap(),
                25,
                "seed {seed} life {life}: done or still there"
            );
            assert!(life < 5 || left == (25, 0, false), "seed {seed}: {left:?}");
        }
    }
}

async fn spawn_tasks(db: &Db) {
    let due_ms = db.env().clock.now_ms();
    let spawned = db.transact(|tx| async move {
        for n in 0..25 {
            tx.spawn(NewTask {
                kind: "count",
                key: Vec::new(),
                due_ms: due_ms + n * 5,
                payload: Bytes::new(),
            })?;
        }
        Ok::<_, Error>(())
    });
    spawned.await.unwrap();
}

fn counting(db: &Db) -> TaskKind {
    let db = db.clone();
    TaskKind::new("count", move |task| {
        let db = db.clone();
        async move {
            db.env().clock.sleep(Duration::from_millis(db.env().ids.u64() % 10)).await;
            db.transact(|tx| {
                let task = task.clone();
                async move {
                    tx.add("sum", 1)?;
                    task.complete(&tx)
                }
            })
            .await?;
            Ok(Outcome::Done)
        }
    })
}
