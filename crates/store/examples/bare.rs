//! The bare limit that `bench/run` holds the services against: the same rows, written and read without HTTP.
//!
//! `bare sqs|put|get|whole|split CLIENTS SECONDS DIR` prints one JSON line like `load` does.
//! - `sqs`: the engine alone (fjall): the writes of a send, a receive and a delete of ten messages, each
//!   acknowledged after a sync, all that wait in one batch. Nothing is read, checked or claimed.
//! - `put`, `get`: one transaction of the store with one row of the size of an item.
//! - `whole`, `split`: a value of 512 KiB put and read, as one row or as rows of 64 KiB; also tells how many bytes
//!   went to disk for each of its bytes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measuring program"
)]

use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use bytes::Bytes;
use fjall::compaction::Leveled;
use fjall::config::PartitioningPolicy;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use tokio::sync::oneshot;
use undercast_store::sim::SimRng;
use undercast_store::{Db, Env, Error, KeyRange, Options};

const BATCH: u64 = 10;
/// What a message with a body of 256 bytes comes to in SQS's table.
const MESSAGE_BYTES: usize = 340;
/// What an item of 200 bytes comes to in DynamoDB's.
const ITEM_BYTES: usize = 220;

type Writes = Vec<(Vec<u8>, Option<Vec<u8>>)>;

/// The engine on a thread of its own: whatever waits becomes one batch with one sync.
#[derive(Clone)]
struct Engine(mpsc::Sender<(Writes, oneshot::Sender<()>)>);

impl Engine {
    fn start(dir: &str) -> Engine {
        let (sender, inbox) = mpsc::channel::<(Writes, oneshot::Sender<()>)>();
        let db = Database::builder(dir)
            .cache_size(16 << 20)
            .worker_threads(1)
            .max_cached_files(Some(128))
            .max_journaling_size(64 << 20)
            .open()
            .unwrap();
        // As the store sets it up: `src/engine/fjall.rs`.
        let in_parts = PartitioningPolicy::new([false, true]);
        let merges = Arc::new(Leveled::default().with_table_target_size(16 << 20));
        let options = || {
            KeyspaceCreateOptions::default()
                .max_memtable_size(8 << 20)
                .compaction_strategy(merges.clone())
                .index_block_partitioning_policy(in_parts.clone())
                .filter_block_partitioning_policy(in_parts.clone())
        };
        let rows = db.keyspace("rows", options).unwrap();
        std::thread::spawn(move || Engine::serve(&db, &rows, &inbox));
        Engine(sender)
    }

    fn serve(
        db: &Database,
        rows: &Keyspace,
        inbox: &mpsc::Receiver<(Writes, oneshot::Sender<()>)>,
    ) {
        let mut count = 0u64;
        while let Ok(first) = inbox.recv() {
            let mut answers = Vec::new();
            let mut batch = db.batch().durability(Some(PersistMode::SyncData));
            for (writes, answer) in std::iter::once(first).chain(inbox.try_iter().take(511)) {
                answers.push(answer);
                for (key, value) in writes {
                    match value {
                        Some(value) => batch.insert(rows, key, value),
                        None => batch.remove(rows, key),
                    }
                }
            }
            count += answers.len() as u64;
            batch.insert(rows, &b"\x02counter-of-a-queue"[..], count.to_be_bytes());
            batch.commit().unwrap();
            for answer in answers {
                let _ = answer.send(());
            }
        }
    }

    async fn write(&self, writes: Writes) {
        let (answer, answered) = oneshot::channel();
        self.0.send((writes, answer)).unwrap();
        answered.await.unwrap();
    }

    /// Ten messages sent, received and deleted.
    async fn cycle(&self, client: u64, n: u64) -> u64 {
        let key = |ms: u64, i: u64| -> Vec<u8> {
            let parts = [7u64.to_be_bytes(), ms.to_be_bytes(), (client << 40 | i).to_be_bytes()];
            [&b"\x01\0\x05messages\0"[..], &parts.concat()].concat()
        };
        let numbers = || n * BATCH..(n + 1) * BATCH;
        let value = || Some(vec![b'x'; MESSAGE_BYTES]);
        self.write(numbers().map(|i| (key(n, i), value())).collect()).await;
        let later = n + 30_000;
        let moved = numbers().flat_map(|i| [(key(n, i), None), (key(later, i), value())]);
        self.write(moved.collect()).await;
        self.write(numbers().map(|i| (key(later, i), None)).collect()).await;
        BATCH
    }
}

fn item(n: u64) -> Vec<u8> {
    format!("\0\x06i\0\0\0\0\0\0\0\x07{:08x}k{n}", n.wrapping_mul(0x9e37_79b9) as u32).into_bytes()
}

async fn put(db: &Db, n: u64) -> u64 {
    let put = db.transact(|tx| async move {
        tx.get(&item(n)).await?;
        tx.put(item(n), vec![b'x'; ITEM_BYTES])
    });
    put.await.unwrap_or_else(|error: Error| panic!("{error}"));
    1
}

async fn get(db: &Db, n: u64) -> u64 {
    let tx = db.begin().await.unwrap();
    assert!(tx.get(&item(n % 1000)).await.unwrap().is_some());
    1
}

const LARGE_BYTES: usize = 512 << 10;

/// Puts and reads one of 64 large values of this client.
async fn large(db: &Db, part_bytes: usize, client: u64, n: u64) -> u64 {
    let mut rng = SimRng::new(client << 32 | n);
    let value: Vec<u8> = (0..LARGE_BYTES / 8).flat_map(|_| rng.next_u64().to_le_bytes()).collect();
    let (value, name) = (&Bytes::from(value), &format!("large/{client}/{}/", n % 64));
    let put = db.transact(|tx| async move {
        for part in 0..LARGE_BYTES / part_bytes {
            let bytes = value.slice(part * part_bytes..(part + 1) * part_bytes);
            tx.put(format!("{name}{part:02}"), bytes)?;
        }
        Ok::<_, Error>(())
    });
    put.await.unwrap();
    let tx = db.begin().await.unwrap();
    let rows = tx.range(KeyRange::prefix(name.clone()), 100, false).await.unwrap();
    assert_eq!(rows.iter().map(|(_, bytes)| bytes.len()).sum::<usize>(), LARGE_BYTES);
    1
}

fn disk_written() -> u64 {
    let io = std::fs::read_to_string("/proc/self/io").unwrap();
    io.lines().find_map(|line| line.strip_prefix("write_bytes: ")?.parse().ok()).unwrap()
}

async fn measure<F, Fut>(what: &str, clients: u64, seconds: f64, once: F)
where
    F: Fn(u64, u64) -> Fut + Clone + Send + 'static,
    Fut: Future<Output = u64> + Send,
{
    let written = disk_written();
    let begun = Instant::now();
    let end = begun + Duration::from_secs_f64(seconds);
    let client = |client| {
        let once = once.clone();
        tokio::spawn(async move {
            let (mut done, mut times) = (0, Vec::new());
            while Instant::now() < end {
                let start = Instant::now();
                done += once(client, times.len() as u64).await;
                times.push(start.elapsed().as_nanos() as u64);
            }
            (done, times)
        })
    };
    let running: Vec<_> = (0..clients).map(client).collect();
    let (mut done, mut times) = (0, Vec::new());
    for worker in running {
        let (n, more) = worker.await.unwrap();
        done += n;
        times.extend(more);
    }
    let per_s = (done as f64 / begun.elapsed().as_secs_f64()).round();
    times.sort_unstable();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize] as f64 / 1e6;
    if matches!(what, "whole" | "split") {
        let bytes = done as f64 * LARGE_BYTES as f64;
        println!("{:.1} bytes written per byte", (disk_written() - written) as f64 / bytes);
    }
    println!(
        "{{\"what\":\"{what}\",\"clients\":{clients},\"per_s\":{per_s},\"p50_ms\":{},\"p99_ms\":{}}}",
        at(0.5),
        at(0.99)
    );
}

#[tokio::main]
async fn main() {
    let args: Vec<String> = std::env::args().collect();
    let (clients, seconds, dir) = (args[2].parse().unwrap(), args[3].parse().unwrap(), &args[4]);
    match args[1].as_str() {
        "sqs" => {
            let engine = Engine::start(dir);
            let cycle = move |client, n| {
                let engine = engine.clone();
                async move { engine.cycle(client, n).await }
            };
            measure("bare sqs", clients, seconds, cycle).await;
        }
        what @ ("put" | "get") => {
            let db = Db::open(Options::dir(dir), Env::system()).await.unwrap();
            let store = db.clone();
            if what == "put" {
                let once = move |client, n| {
                    let store = store.clone();
                    async move { put(&store, client * 1_000_000_000 + n).await }
                };
                measure("bare put", clients, seconds, once).await;
            } else {
                for n in 0..1000 {
                    put(&store, n).await;
                }
                let once = move |_, n| {
                    let store = store.clone();
                    async move { get(&store, n).await }
                };
                measure("bare get", clients, seconds, once).await;
            }
            db.close().await;
        }
        what @ ("whole" | "split") => {
            let db = Db::open(Options::dir(dir), Env::system()).await.unwrap();
            let (store, part) = (db.clone(), if what == "whole" { LARGE_BYTES } else { 64 << 10 });
            let once = move |client, n| {
                let store = store.clone();
                async move { large(&store, part, client, n).await }
            };
            measure(what, clients, seconds, once).await;
            db.close().await;
        }
        other => panic!("{other}?"),
    }
}
