//! Real processes, real files: killed at any moment, on a full disk, on a file that forgets.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use tempfile::TempDir;
use undercast_store::engine::redb_on;
use undercast_store::sim::SimRng;
use undercast_store::{Blobs, Db, Durability, EngineKind, Env, Error, KeyRange, Options};

const CHILD_DIR: &str = "UNDERCAST_CRASH_DIR";

/// Not a test: what the killed process does. Run by the test below through the same binary.
#[test]
#[ignore = "run by another test"]
fn child() {
    let Ok(dir) = std::env::var(CHILD_DIR) else {
        return;
    };
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let engine = if dir.ends_with("redb") { EngineKind::Redb } else { EngineKind::Fjall };
        let durability =
            if dir.contains("unsynced") { Durability::None } else { Durability::Fsync };
        let options = Options { engine, durability, ..Options::dir(&dir) };
        let db = Db::open(options, Env::system()).await.unwrap();
        if dir.contains("traced") {
            for n in 0..TRACED_WRITES {
                write_entry(&db, &format!("log/{n}"), vec![b'x'; 100]).await.unwrap();
                acknowledge(&format!("log/{n}"));
            }
            // Not closed: that would sync.
            std::process::exit(0);
        }
        let write = |n: usize| {
            let db = db.clone();
            tokio::spawn(async move {
                loop {
                    let key = format!("log/{}", db.env().ids.hex(16));
                    write_entry(&db, &key, vec![b'x'; 100 + 50 * n]).await.unwrap();
                    acknowledge(&key);
                }
            })
        };
        join_all((0..8).map(write)).await;
    });
}

/// One call per line, so that a kill never leaves half a line that looks whole.
fn acknowledge(key: &str) {
    std::io::stdout().lock().write_all(format!("ACK {key}\n").as_bytes()).unwrap();
}

const TRACED_WRITES: usize = 40;

/// How many acknowledgements of a traced process came without a sync since the one before.
fn unsynced_acknowledgements(dir: &Path) -> Option<usize> {
    std::fs::create_dir_all(dir.parent().unwrap()).unwrap();
    let trace = dir.with_extension("trace");
    let ran = Command::new("strace")
        .args(["-f", "-e", "trace=fsync,fdatasync,write", "-s", "16", "-o"])
        .arg(&trace)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "crash::child", "--ignored", "--nocapture"])
        .env(CHILD_DIR, dir)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if ran.is_err() {
        eprintln!("SKIPPED: there is no strace");
        return None;
    }
    let (mut syncs, mut acknowledged, mut unsynced) = (0, 0, 0);
    for line in std::fs::read_to_string(&trace).unwrap().lines() {
        if line.contains("sync") && line.trim_end().ends_with("= 0") {
            syncs += 1;
        } else if line.contains("write(1, \"ACK") {
            acknowledged += 1;
            unsynced += usize::from(syncs == 0);
            syncs = 0;
        }
    }
    assert_eq!(acknowledged, TRACED_WRITES, "the trace is whole");
    Some(unsynced)
}

/// The engines sync only when told to. Here the operating system is the witness.
#[test]
fn every_acknowledgement_follows_a_sync() {
    for engine in ["fjall", "redb"] {
        let dir = TempDir::new().unwrap();
        let Some(unsynced) = unsynced_acknowledgements(&dir.path().join("traced").join(engine))
        else {
            return;
        };
        assert_eq!(unsynced, 0, "{engine}");
        let careless =
            unsynced_acknowledgements(&dir.path().join("traced-unsynced").join(engine)).unwrap();
        assert!(careless > TRACED_WRITES / 2, "{engine}: without syncs it is noticed: {careless}");
    }
}

async fn write_entry(db: &Db, key: &str, value: Vec<u8>) -> Result<(), Error> {
    db.transact(|tx| {
        let (key, value) = (key.to_owned(), value.clone());
        async move {
            tx.put(key, value)?;
            tx.add("sum", 1)
        }
    })
    .await
}

async fn entries(db: &Db) -> BTreeSet<String> {
    let tx = db.begin().await.unwrap();
    let rows = tx.range(KeyRange::prefix(&b"log/"[..]), 1_000_000, false).await.unwrap();
    assert_eq!(
        tx.sum(b"sum").await.unwrap(),
        i64::try_from(rows.len()).unwrap(),
        "a commit is whole or not at all"
    );
    rows.into_iter().map(|(key, _)| String::from_utf8(key.to_vec()).unwrap()).collect()
}

#[tokio::test]
async fn a_killed_process_loses_nothing_acknowledged() {
    for engine in [EngineKind::Fjall, EngineKind::Redb] {
        let dir = TempDir::new().unwrap();
        let dir = dir.path().join(engine.name());
        let mut acknowledged = BTreeSet::new();
        for round in 0..4u64 {
            acknowledged.extend(killed_after(&dir, Duration::from_millis(150 + 70 * round)));
            let db = Db::open(Options::dir(&dir), Env::system()).await.unwrap();
            let stored = entries(&db).await;
            let lost: Vec<_> = acknowledged.difference(&stored).collect();
            assert!(
                lost.is_empty(),
                "{}: {} of {} lost",
                engine.name(),
                lost.len(),
                acknowledged.len()
            );
            db.close().await;
        }
        assert!(acknowledged.len() > 50, "{}", acknowledged.len());
    }
}

/// Runs the child on the folder, kills it without warning, returns what it had acknowledged.
fn killed_after(dir: &Path, after: Duration) -> Vec<String> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::child", "--ignored", "--nocapture"])
        .env(CHILD_DIR, dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let mut acknowledged = Vec::new();
    let mut line = String::new();
    let mut note = |line: &str| {
        if let (true, Some((_, key))) = (line.ends_with('\n'), line.split_once("ACK ")) {
            acknowledged.push(key.trim_end().to_owned());
        }
    };
    // The first answer says that it is under way.
    while !line.contains("ACK") {
        line.clear();
        assert!(lines.read_line(&mut line).unwrap() > 0, "the child ended early");
    }
    note(&line);
    let reader = std::thread::spawn(move || {
        let mut rest = Vec::new();
        loop {
            let mut line = String::new();
            if lines.read_line(&mut line).unwrap_or(0) == 0 {
                return rest;
            }
            rest.push(line);
        }
    });
    std::thread::sleep(after);
    child.kill().unwrap();
    child.wait().unwrap();
    reader.join().unwrap().iter().for_each(|line| note(line));
    acknowledged
}

/// A small file system of its own, gone with the test.
struct Mount(TempDir);

impl Mount {
    fn new(size: &str) -> Option<Mount> {
        let mount = Mount(TempDir::new().unwrap());
        let options = format!("size={size}");
        let done = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "tmpfs"])
            .arg(mount.0.path())
            .output();
        if done.is_ok_and(|done| done.status.success()) {
            return Some(mount);
        }
        eprintln!("SKIPPED: no file system can be mounted here");
        None
    }

    fn grow(&self, size: &str) {
        let options = format!("remount,size={size}");
        assert!(
            Command::new("mount")
                .args(["-o", &options])
                .arg(self.0.path())
                .status()
                .unwrap()
                .success()
        );
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).output();
    }
}

#[tokio::test]
async fn a_full_disk_stops_acknowledging_and_loses_nothing() {
    for engine in [EngineKind::Fjall, EngineKind::Redb] {
        let Some(mount) = Mount::new("24m") else {
            return;
        };
        let dir = mount.0.path().join("data");
        let db = Db::open(Options { engine, ..Options::dir(&dir) }, Env::system()).await.unwrap();
        let mut acknowledged = BTreeSet::new();
        let mut rng = SimRng::new(1);
        let error = loop {
            let key = format!("log/{:08}", acknowledged.len());
            // Random bytes: what can be compressed would never fill it.
            let value = (0..64_000).map(|_| rng.next_u64() as u8).collect();
            match write_entry(&db, &key, value).await {
                Ok(()) => drop(acknowledged.insert(key)),
                Err(error) => break error,
            }
            assert!(acknowledged.len() < 2_000, "{}: the disk is never full", engine.name());
        };
        assert!(matches!(error, Error::Unavailable { .. }), "{error}");
        mount.grow("200m");
        let again = write_entry(&db, "log/later", Vec::new()).await;
        assert!(
            matches!(again, Err(Error::Unavailable { .. })),
            "it does not go on as if nothing had happened"
        );
        db.close().await;
        let db = Db::open(Options::dir(&dir), Env::system()).await.unwrap();
        let stored = entries(&db).await;
        assert!(
            acknowledged.is_subset(&stored) && !stored.contains("log/later"),
            "{}",
            engine.name()
        );
        write_entry(&db, "log/after", Vec::new()).await.unwrap();
        db.close().await;
    }
}

/// A file whose writes reach the disk in any order, or not at all, until it is synced.
#[derive(Debug, Clone, Default)]
struct Forgetful(Arc<Mutex<Content>>);

#[derive(Debug, Clone, Default)]
struct Content {
    now: Vec<u8>,
    durable: Vec<u8>,
    unsynced: Vec<(usize, Vec<u8>)>,
}

impl Content {
    fn crash(&mut self, rng: &mut SimRng) {
        for (at, bytes) in std::mem::take(&mut self.unsynced) {
            if rng.one_in(2) {
                let end = at + bytes.len();
                self.durable.resize(self.durable.len().max(end), 0);
                self.durable[at..end].copy_from_slice(&bytes);
            }
        }
        self.now = self.durable.clone();
    }
}

impl redb::StorageBackend for Forgetful {
    fn len(&self) -> Result<u64, std::io::Error> {
        Ok(self.0.lock().unwrap().now.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), std::io::Error> {
        let at = usize::try_from(offset).unwrap();
        out.copy_from_slice(&self.0.lock().unwrap().now[at..at + out.len()]);
        Ok(())
    }

    fn set_len(&self, len: u64) -> Result<(), std::io::Error> {
        let len = usize::try_from(len).unwrap();
        let mut content = self.0.lock().unwrap();
        content.now.resize(len, 0);
        content.durable.resize(len, 0);
        content.unsynced.retain(|(at, bytes)| at + bytes.len() <= len);
        Ok(())
    }

    fn sync_data(&self) -> Result<(), std::io::Error> {
        let mut content = self.0.lock().unwrap();
        content.durable = content.now.clone();
        content.unsynced.clear();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), std::io::Error> {
        let at = usize::try_from(offset).unwrap();
        let mut content = self.0.lock().unwrap();
        content.now[at..at + data.len()].copy_from_slice(data);
        content.unsynced.push((at, data.to_vec()));
        Ok(())
    }
}

/// Whether everything acknowledged is there after the file forgot what was not synced.
async fn survives(seed: u64, durability: Durability) -> bool {
    let mut file = Forgetful::default();
    let mut rng = SimRng::new(seed);
    let mut acknowledged = BTreeSet::new();
    let open = |file: &Forgetful| {
        let env = Env::system();
        let engine = redb_on(file.clone(), 1 << 20).ok()?;
        Db::open_on(engine, Blobs::memory(&env), durability, env).ok()
    };
    for _ in 0..3 {
        let Some(db) = open(&file) else { return false };
        for _ in 0..1 + rng.below(8) {
            let key = format!("log/{:x}", rng.next_u64());
            write_entry(&db, &key, Bytes::from(vec![7; 3_000]).to_vec()).await.unwrap();
            acknowledged.insert(key);
        }
        // The machine stops here. What the engine still writes when it closes goes to a file that nobody sees.
        let mut content = file.0.lock().unwrap().clone();
        content.crash(&mut rng);
        file = Forgetful(Arc::new(Mutex::new(content)));
        db.close().await;
    }
    let Some(db) = open(&file) else { return false };
    acknowledged.is_subset(&entries(&db).await)
}

#[tokio::test]
async fn a_file_that_forgets_what_was_not_synced_loses_nothing_acknowledged() {
    for seed in 0..40 {
        assert!(survives(seed, Durability::Fsync).await, "seed {seed}");
    }
    let mut lost = 0;
    for seed in 0..10 {
        lost += u32::from(!survives(seed, Durability::None).await);
    }
    assert!(lost >= 8, "without syncs the loss is noticed: {lost} of 10");
}
