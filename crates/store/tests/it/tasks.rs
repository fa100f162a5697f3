//! Tasks under simulated time.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use undercast_store::engine::MemoryEngine;
use undercast_store::sim::Sim;
use undercast_store::{
    Backoff, Blobs, Db, Durability, Env, Error, NewTask, Outcome, Row, Table, Task, TaskError,
    TaskKind, TaskRunner, TaskState,
};

const DAY: Duration = Duration::from_secs(86_400);

#[derive(serde::Serialize, serde::Deserialize)]
struct DoneRow {
    at_ms: i64,
}

impl Row for DoneRow {
    const VERSION: u8 = 1;
}

const DONE: Table<String, DoneRow> = Table::new(1, "done");

type Log = Arc<Mutex<Vec<(String, u32, i64)>>>;

fn open(env: &Env, engine: &Arc<MemoryEngine>) -> Db {
    Db::open_on(engine.clone(), Blobs::memory(env), Durability::Fsync, env.clone()).unwrap()
}

fn task(kind: &'static str, key: &str, due_ms: i64, payload: &str) -> NewTask {
    let payload = Bytes::copy_from_slice(payload.as_bytes());
    NewTask { kind, key: key.as_bytes().to_vec(), due_ms, payload }
}

fn text(task: &Task) -> String {
    String::from_utf8(task.payload.to_vec()).unwrap()
}

/// A kind that notes each run and then does as `answer` says.
fn noting<F>(name: &'static str, env: &Env, log: &Log, answer: F) -> TaskKind
where
    F: Fn(&Task) -> Result<Outcome, TaskError> + Send + Sync + 'static,
{
    let (env, log) = (env.clone(), log.clone());
    TaskKind::new(name, move |task| {
        log.lock().unwrap().push((text(&task), task.attempt, env.clock.now_ms()));
        let answer = answer(&task);
        async move { answer }
    })
}

fn simulated<Fut: Future<Output = ()> + Send + 'static>(scenario: impl Fn(Env, Db, Log) -> Fut) {
    for seed in 0..20 {
        let sim = Sim::new(seed);
        let env = sim.env();
        let db = open(&env, &Arc::default());
        sim.block_on(scenario(env, db, Log::default()));
    }
}

async fn spawn(db: &Db, new: NewTask) {
    db.transact(|tx| {
        let new = new.clone();
        async move { tx.spawn(new).map(drop) }
    })
    .await
    .unwrap();
}

async fn rest(env: &Env, seconds: u64) {
    env.clock.sleep(Duration::from_secs(seconds)).await;
}

fn runs(log: &Log) -> Vec<String> {
    log.lock().unwrap().iter().map(|(payload, _, _)| payload.clone()).collect()
}

#[test]
fn tasks_run_when_they_are_due() {
    simulated(|env, db, log| async move {
        let now = env.clock.now_ms();
        let _runner =
            TaskRunner::start(db.clone(), vec![noting("note", &env, &log, |_| Ok(Outcome::Done))]);
        for (payload, after_ms) in
            [("third", 90_000), ("first", 0), ("second", 5_000), ("past", -5_000)]
        {
            spawn(&db, task("note", "", now + after_ms, payload)).await;
        }
        rest(&env, 100).await;
        let log = log.lock().unwrap().clone();
        let mut at: Vec<_> =
            log.iter().map(|(payload, _, at_ms)| (payload.as_str(), *at_ms - now)).collect();
        at.sort_by_key(|(payload, at_ms)| (*at_ms, *payload));
        assert_eq!(at, [("first", 0), ("past", 0), ("second", 5_000), ("third", 90_000)]);
        assert!(db.tasks().list(None, None, 10).await.unwrap().is_empty());
    });
}

#[test]
fn moving_the_clock_makes_tasks_due() {
    simulated(|env, db, log| async move {
        let _runner =
            TaskRunner::start(db.clone(), vec![noting("note", &env, &log, |_| Ok(Outcome::Done))]);
        spawn(&db, task("note", "", env.clock.now_ms() + 2 * 86_400_000, "later")).await;
        rest(&env, 1).await;
        assert!(runs(&log).is_empty());
        env.clock.advance(3 * DAY);
        rest(&env, 1).await;
        assert_eq!(runs(&log), ["later"]);
    });
}

#[test]
fn failures_back_off_and_end_in_the_dead_letters() {
    simulated(|env, db, log| async move {
        let mut kind = noting("fails", &env, &log, |_| Err(TaskError::new("no luck")));
        kind.attempts_max = 3;
        kind.backoff = Backoff::new(Duration::from_secs(10), Duration::from_secs(15));
        let _runner = TaskRunner::start(db.clone(), vec![kind]);
        let start = env.clock.now_ms();
        spawn(&db, task("fails", "k", start, "x")).await;
        rest(&env, 60).await;
        let seen = log.lock().unwrap().clone();
        assert_eq!(seen.iter().map(|(_, attempt, _)| *attempt).collect::<Vec<_>>(), [1, 2, 3]);
        assert!((5_000..=10_000).contains(&(seen[1].2 - start)), "{seen:?}");
        assert!((7_500..=15_000).contains(&(seen[2].2 - seen[1].2)), "{seen:?}");
        let dead = db.tasks().dead(Some("fails"), None, 10).await.unwrap();
        assert_eq!(
            (dead.len(), dead[0].state, dead[0].last_error.as_deref()),
            (1, TaskState::Dead, Some("no luck"))
        );
        assert!(db.tasks().list(None, None, 10).await.unwrap().is_empty());
        // The key is free again, and the dead letter can be given another chance.
        spawn(&db, task("fails", "k", start, "y")).await;
        assert!(db.tasks().redrive("fails", dead[0].id).await.unwrap());
        rest(&env, 60).await;
        assert_eq!(runs(&log).iter().filter(|payload| *payload == "x").count(), 6);
        assert_eq!(runs(&log).iter().filter(|payload| *payload == "y").count(), 3);
    });
}

#[test]
fn a_fatal_failure_and_a_panic_are_told_apart() {
    simulated(|env, db, log| async move {
        let mut kind = noting("odd", &env, &log, |task| match text(task).as_str() {
            "fatal" => Err(TaskError::fatal("never")),
            _ => panic!("the handler breaks"),
        });
        kind.attempts_max = 2;
        let _runner = TaskRunner::start(db.clone(), vec![kind]);
        let now = env.clock.now_ms();
        spawn(&db, task("odd", "", now, "fatal")).await;
        spawn(&db, task("odd", "", now, "panic")).await;
        rest(&env, 60).await;
        assert_eq!(runs(&log).len(), 3);
        let mut errors: Vec<_> = db
            .tasks()
            .dead(None, None, 10)
            .await
            .unwrap()
            .into_iter()
            .map(|dead| dead.last_error.unwrap())
            .collect();
        errors.sort();
        assert_eq!(errors, ["never", "the handler panicked"]);
    });
}

#[test]
fn a_key_stands_for_one_task() {
    simulated(|env, db, log| async move {
        let now = env.clock.now_ms();
        for (payload, after_ms) in [("old", 1_000), ("new", 5_000)] {
            spawn(&db, task("note", "key", now + after_ms, payload)).await;
        }
        spawn(&db, task("note", "other", now + 1_000, "cancelled")).await;
        db.transact(|tx| async move { tx.cancel("note", b"other") }).await.unwrap();
        let _runner =
            TaskRunner::start(db.clone(), vec![noting("note", &env, &log, |_| Ok(Outcome::Done))]);
        rest(&env, 10).await;
        assert_eq!(runs(&log), ["new"]);
    });
}

#[test]
fn spawning_a_running_task_runs_it_again_afterwards() {
    simulated(|env, db, log| async move {
        let clock = env.clock.clone();
        let noted = log.clone();
        let kind = TaskKind::new("slow", move |task| {
            let (clock, noted) = (clock.clone(), noted.clone());
            async move {
                noted.lock().unwrap().push((format!("start {}", text(&task)), task.attempt, 0));
                clock.sleep(Duration::from_secs(5)).await;
                noted.lock().unwrap().push((format!("end {}", text(&task)), task.attempt, 0));
                Ok(Outcome::Done)
            }
        });
        let _runner = TaskRunner::start(db.clone(), vec![kind]);
        let now = env.clock.now_ms();
        spawn(&db, task("slow", "k", now, "one")).await;
        rest(&env, 1).await;
        spawn(&db, task("slow", "k", now, "two")).await;
        spawn(&db, task("slow", "k", now, "three")).await;
        rest(&env, 30).await;
        assert_eq!(runs(&log), ["start one", "end one", "start three", "end three"]);
    });
}

#[test]
fn a_handler_completes_in_its_own_transaction_once() {
    simulated(|env, db, log| async move {
        let (store, noted) = (db.clone(), log.clone());
        let kind = TaskKind::new("once", move |task| {
            let (store, noted) = (store.clone(), noted.clone());
            async move {
                store
                    .transact(|tx| {
                        let task = task.clone();
                        async move {
                            DONE.put(&tx, &text(&task), &DoneRow { at_ms: tx.now_ms() })?;
                            task.complete(&tx)
                        }
                    })
                    .await?;
                noted.lock().unwrap().push((text(&task), task.attempt, 0));
                // Too late to matter: the task is complete.
                Err(TaskError::new("after completion"))
            }
        });
        let _runner = TaskRunner::start(db.clone(), vec![kind]);
        spawn(&db, task("once", "", env.clock.now_ms(), "a")).await;
        rest(&env, 1000).await;
        assert_eq!(runs(&log), ["a"]);
        assert!(DONE.read(&db, &"a".to_owned()).await.unwrap().unwrap().at_ms > 0);
    });
}

#[test]
fn who_lost_the_lease_cannot_complete() {
    simulated(|env, db, log| async move {
        let (store, noted) = (db.clone(), log.clone());
        let clock = env.clock.clone();
        let kind = TaskKind::new("lost", move |task| {
            let (store, noted, clock) = (store.clone(), noted.clone(), clock.clone());
            async move {
                clock.sleep(Duration::from_secs(5)).await;
                let completed = store.transact(|tx| {
                    let task = task.clone();
                    async move {
                        DONE.put(&tx, &"lost".to_owned(), &DoneRow { at_ms: 1 })?;
                        task.complete(&tx)
                    }
                });
                let outcome = matches!(completed.await, Err(Error::LeaseLost { .. }));
                noted.lock().unwrap().push((outcome.to_string(), 0, 0));
                Ok(Outcome::Done)
            }
        });
        let _runner = TaskRunner::start(db.clone(), vec![kind]);
        spawn(&db, task("lost", "k", env.clock.now_ms(), "")).await;
        rest(&env, 1).await;
        db.transact(|tx| async move { tx.cancel("lost", b"k") }).await.unwrap();
        rest(&env, 10).await;
        assert_eq!(runs(&log), ["true"]);
        assert!(DONE.read(&db, &"lost".to_owned()).await.unwrap().is_none());
    });
}

#[test]
fn a_task_can_go_on_for_ever() {
    simulated(|env, db, log| async move {
        let clock = env.clock.clone();
        let kind = noting("tick", &env, &log, move |task| {
            let payload = Some(Bytes::from(format!("{}+", text(task))));
            Ok(Outcome::Again { due_ms: clock.now_ms() + 60_000, payload })
        });
        let _runner = TaskRunner::start(db.clone(), vec![kind]);
        spawn(&db, task("tick", "t", env.clock.now_ms(), "")).await;
        rest(&env, 150).await;
        assert_eq!(runs(&log), ["", "+", "++"]);
        assert!(log.lock().unwrap().iter().all(|(_, attempt, _)| *attempt == 1));
    });
}

#[test]
fn only_so_many_run_at_once_and_all_run() {
    simulated(|env, db, log| async move {
        let running = Arc::new(Mutex::new((0, 0)));
        let (clock, count, noted) = (env.clock.clone(), running.clone(), log.clone());
        let mut kind = TaskKind::new("many", move |task| {
            let (clock, count, noted) = (clock.clone(), count.clone(), noted.clone());
            async move {
                {
                    let mut count = count.lock().unwrap();
                    count.0 += 1;
                    count.1 = count.1.max(count.0);
                }
                clock.sleep(Duration::from_millis(100)).await;
                count.lock().unwrap().0 -= 1;
                noted.lock().unwrap().push((text(&task), 0, 0));
                Ok(Outcome::Done)
            }
        });
        kind.concurrency = 3;
        let _runner = TaskRunner::start(db.clone(), vec![kind]);
        let now = env.clock.now_ms();
        for n in 0..20 {
            spawn(&db, task("many", "", now, &n.to_string())).await;
        }
        rest(&env, 5).await;
        assert_eq!(running.lock().unwrap().1, 3);
        let mut done = runs(&log);
        done.sort_by_key(|n| n.parse::<u32>().unwrap());
        assert_eq!(done, (0..20).map(|n| n.to_string()).collect::<Vec<_>>());
    });
}

/// The process dies while a task runs: whoever opens the store next takes it up at once.
#[test]
fn a_crashed_process_loses_its_leases() {
    for seed in 0..20 {
        let engine = Arc::new(MemoryEngine::default());
        let sim = Sim::new(seed);
        let env = sim.env();
        let db = open(&env, &engine);
        let world = env.clone();
        sim.block_on(async move {
            let kind = TaskKind::new("crash", |_| std::future::pending());
            let runner = TaskRunner::start(db.clone(), vec![kind]);
            spawn(&db, task("crash", "", world.clock.now_ms(), "x")).await;
            rest(&world, 1).await;
            assert_eq!(db.tasks().list(None, None, 10).await.unwrap()[0].state, TaskState::Running);
            std::mem::forget(runner);
        });
        sim.kill_all();
        let db = open(&env, &engine);
        sim.block_on(async move {
            let log = Log::default();
            let start = env.clock.monotonic();
            let _runner = TaskRunner::start(
                db.clone(),
                vec![noting("crash", &env, &log, |_| Ok(Outcome::Done))],
            );
            rest(&env, 1).await;
            assert_eq!(
                log.lock().unwrap().iter().map(|(_, attempt, _)| *attempt).collect::<Vec<_>>(),
                [2]
            );
            assert!(env.clock.monotonic() - start <= Duration::from_secs(1));
        });
    }
}

#[test]
fn draining_waits_for_what_runs_and_leaves_the_rest() {
    simulated(|env, db, log| async move {
        let (clock, noted) = (env.clock.clone(), log.clone());
        let mut kind = TaskKind::new("drain", move |task| {
            let (clock, noted) = (clock.clone(), noted.clone());
            async move {
                clock.sleep(Duration::from_secs(3)).await;
                noted.lock().unwrap().push((text(&task), 0, 0));
                Ok(Outcome::Done)
            }
        });
        kind.concurrency = 1;
        let runner = TaskRunner::start(db.clone(), vec![kind]);
        let now = env.clock.now_ms();
        spawn(&db, task("drain", "", now, "running")).await;
        spawn(&db, task("drain", "", now + 1, "waiting")).await;
        rest(&env, 1).await;
        runner.drain().await;
        assert_eq!(runs(&log), ["running"]);
        rest(&env, 60).await;
        assert_eq!(runs(&log), ["running"]);
        let left = db.tasks().list(None, None, 10).await.unwrap();
        assert_eq!((left.len(), left[0].state), (1, TaskState::Waiting));
    });
}

#[test]
fn an_idle_runner_does_not_wake() {
    let sim = Sim::new(3);
    let env = sim.env();
    let db = open(&env, &Arc::default());
    let world = env.clone();
    sim.block_on(async move {
        let runner =
            TaskRunner::start(db, vec![TaskKind::new("idle", |_| async { Ok(Outcome::Done) })]);
        rest(&world, 1).await;
        std::mem::forget(runner);
    });
    let before = sim.steps();
    sim.block_on(async move { env.clock.sleep(30 * DAY).await });
    // Only the sleeper itself was scheduled: twice to run, once to jump.
    assert_eq!(sim.steps() - before, 3);
}
