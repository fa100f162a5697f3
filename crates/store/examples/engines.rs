//! Measures the embedded engines on more data than they may cache: `engines [fjall|redb|memory|'host=… user=…'] [GIB] [SECONDS] [DIR]`.
//!
//! Everything goes through the store as a service would use it, with every commit synced. Run it in a memory cgroup
//! smaller than the data, or the operating system's cache makes both look good.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measurement, not part of the product"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::future::join_all;
use undercast_store::sim::SimRng;
use undercast_store::{Db, EngineKind, Env, Error, KeyRange, Location, Options};

const VALUE_BYTES: usize = 1024;

struct Setting {
    rows: u64,
    time: Duration,
}

fn value(rng: &mut SimRng) -> Bytes {
    // Half noise, half not: compresses about as well as JSON does.
    let noise = (0..VALUE_BYTES / 16).flat_map(|_| rng.next_u64().to_le_bytes());
    noise.chain(std::iter::repeat_n(b' ', VALUE_BYTES / 2)).collect()
}

fn row(n: u64) -> Bytes {
    // Scattered, as hashed partition keys are.
    let scattered = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    format!("row/{scattered:016x}").into()
}

fn disk_written() -> u64 {
    let io = std::fs::read_to_string("/proc/self/io").unwrap_or_default();
    io.lines().find_map(|line| line.strip_prefix("write_bytes: ")?.parse().ok()).unwrap_or(0)
}

fn resident() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|line| Some(line.strip_prefix("VmRSS:")?.trim().to_owned()))
        .unwrap_or_default()
}

fn folder_bytes(path: &std::path::Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let Ok(entries) = std::fs::read_dir(path) else {
        return 0;
    };
    let size = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => folder_bytes(&entry.path()),
        Ok(metadata) => metadata.blocks() * 512,
        Err(_) => 0,
    };
    entries.flatten().map(size).sum()
}

/// Runs clients until the time is over and prints their rate and latency.
async fn measure<F, Fut>(name: &str, clients: u64, per_call: u64, time: Duration, call: F)
where
    F: Fn(u64, u64) -> Fut + Send + Sync + Clone + 'static,
    Fut: Future<Output = ()> + Send,
{
    let stop = Arc::new(AtomicBool::new(false));
    let (written, began) = (disk_written(), Instant::now());
    let client = |client: u64| {
        let (stop, call) = (stop.clone(), call.clone());
        tokio::spawn(async move {
            let mut latencies = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                let start = Instant::now();
                call(client, latencies.len() as u64).await;
                latencies.push(u32::try_from(start.elapsed().as_micros()).unwrap_or(u32::MAX));
            }
            latencies
        })
    };
    let running: Vec<_> = (0..clients).map(client).collect();
    tokio::time::sleep(time).await;
    stop.store(true, Ordering::Relaxed);
    let mut all: Vec<u32> =
        join_all(running).await.into_iter().flat_map(|done| done.unwrap()).collect();
    let seconds = began.elapsed().as_secs_f64();
    all.sort_unstable();
    let at = |share: f64| f64::from(all[((all.len() - 1) as f64 * share) as usize]) / 1000.0;
    let rate = all.len() as f64 * per_call as f64 / seconds;
    let per_operation = (disk_written() - written) as f64 / (all.len() as f64 * per_call as f64);
    println!(
        "{name:<28} {rate:>9.0}/s  p50 {:>8.2} ms  p99 {:>8.2} ms  {per_operation:>7.0} B written/op  rss {}",
        at(0.5),
        at(0.99),
        resident()
    );
}

async fn load(db: &Db, rows: u64) {
    let (began, written) = (Instant::now(), disk_written());
    let mut rng = SimRng::new(1);
    let mut from = 0;
    while from < rows {
        let to = (from + 1000).min(rows);
        let batch: Vec<(Bytes, Bytes)> = (from..to).map(|n| (row(n), value(&mut rng))).collect();
        db.transact(|tx| {
            let batch = batch.clone();
            async move { batch.into_iter().try_for_each(|(key, value)| tx.put(key, value)) }
        })
        .await
        .unwrap();
        from = to;
    }
    let seconds = began.elapsed().as_secs_f64();
    let amplified = (disk_written() - written) as f64 / (rows * VALUE_BYTES as u64) as f64;
    println!(
        "{:<28} {:>9.0}/s  {amplified:.1} bytes written per byte",
        "load, 1,000 rows a commit",
        rows as f64 / seconds
    );
}

async fn mixed(db: &Db, setting: &Setting) {
    let Setting { rows, time } = *setting;
    let random = move |client: u64, n: u64| SimRng::new(client << 40 | n).below(rows);
    let store = db.clone();
    let read = move |client, n| {
        let store = store.clone();
        async move {
            let found = store.begin().await.unwrap().get(&row(random(client, n))).await.unwrap();
            assert!(found.is_some());
        }
    };
    measure("random reads, 4 clients", 4, 1, time, read).await;
    let store = db.clone();
    let update = move |client, n| {
        let store = store.clone();
        async move {
            let key = row(random(client, n));
            let new = value(&mut SimRng::new(n));
            store
                .transact(|tx| {
                    let (key, new) = (key.clone(), new.clone());
                    async move {
                        tx.get(&key).await?;
                        tx.put(key, new)
                    }
                })
                .await
                .unwrap_or_else(|error: Error| panic!("{error}"));
        }
    };
    measure("read and update, 1 client", 1, 1, time / 2, update.clone()).await;
    measure("read and update, 64 clients", 64, 1, time, update).await;
    let store = db.clone();
    let scan = move |client, n| {
        let store = store.clone();
        async move {
            let tx = store.begin().await.unwrap();
            let from = KeyRange::prefix(&b"row/"[..]).from_key(row(random(client, n)));
            tx.range(from, 100, false).await.unwrap();
        }
    };
    measure("scans of 100 rows, 4 clients", 4, 1, time / 2, scan).await;
}

/// Messages in a queue: sent, received and deleted, each a durable transaction, ten at a time.
async fn queue(db: &Db, clients: u64, batch: u64, time: Duration) {
    let next = Arc::new(AtomicU64::new(0));
    let store = db.clone();
    let cycle = move |client: u64, _| {
        let (store, next) = (store.clone(), next.clone());
        async move {
            // Each client has its own head, as a shard of a queue has: nobody scans what is worked off.
            let from = next.fetch_add(batch, Ordering::Relaxed);
            let name = move |n: u64| Bytes::from(format!("q/{client:02}/{n:016x}"));
            let body = value(&mut SimRng::new(from));
            store
                .transact(|tx| {
                    let body = body.clone();
                    async move { (from..from + batch).try_for_each(|n| tx.put(name(n), body.clone())) }
                })
                .await
                .unwrap_or_else(|error: Error| panic!("{error}"));
            let received = store.transact(|tx| async move {
                let range = KeyRange::between(name(from), name(from + batch));
                let rows = tx.claim(range, usize::try_from(batch).unwrap()).await?;
                for (key, value) in &rows {
                    tx.delete(key.clone())?;
                    tx.put([b"flight/", &key[2..]].concat(), value.clone())?;
                }
                Ok::<_, Error>(rows.len())
            });
            assert_eq!(received.await.unwrap() as u64, batch);
            store
                .transact(|tx| async move {
                    (from..from + batch)
                        .try_for_each(|n| tx.delete([b"flight/", &name(n)[2..]].concat()))
                })
                .await
                .unwrap_or_else(|error: Error| panic!("{error}"));
        }
    };
    measure(&format!("messages, {clients} x {batch}"), clients, batch, time, cycle).await;
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let argument =
        |n: usize, default: &str| arguments.get(n).cloned().unwrap_or_else(|| default.to_owned());
    let gib: f64 = argument(2, "1").parse().unwrap();
    let time = Duration::from_secs_f64(argument(3, "10").parse().unwrap());
    let kind = argument(1, "fjall");
    let dir = std::path::PathBuf::from(argument(4, "/tmp"))
        .join(format!("undercast-engines-{}", std::process::id()));
    let options = match EngineKind::from_name(&kind) {
        None if kind.contains("host=") => Options {
            location: Location::Postgres { url: kind.clone(), blobs: dir.clone() },
            ..Options::memory()
        },
        Some(engine) => Options { engine, ..Options::dir(&dir) },
        None => Options::memory(),
    };
    let setting = Setting { rows: (gib * (1u64 << 30) as f64) as u64 / VALUE_BYTES as u64, time };
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let opened = Instant::now();
        let db = Db::open(options.clone(), Env::system()).await.unwrap();
        println!(
            "== {kind}: {gib} GiB of rows; opening an empty store {:.1} ms, rss {}",
            opened.elapsed().as_secs_f64() * 1e3,
            resident()
        );
        queue(&db, 1, 1, time / 2).await;
        queue(&db, 64, 10, time).await;
        load(&db, setting.rows).await;
        println!("{:<28} {:>9} MiB on disk", "", folder_bytes(&dir) >> 20);
        mixed(&db, &setting).await;
        queue(&db, 64, 10, time).await;
        db.close().await;
        drop(db);
        if kind != "memory" {
            println!("{:<28} {:>9} MiB on disk", "", folder_bytes(&dir) >> 20);
            let opened = Instant::now();
            let db = Db::open(options, Env::system()).await.unwrap();
            println!(
                "opening the full store {:.1} ms, rss {}",
                opened.elapsed().as_secs_f64() * 1e3,
                resident()
            );
            db.close().await;
        }
    });
    let _ = std::fs::remove_dir_all(&dir);
}
