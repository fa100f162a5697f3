//! What a million compared pairs with a thousand kinds cost: memory, time to flush, time to show.
//! `cargo run --release -p undercast-patterns --example ledger_size`

#![expect(clippy::print_stdout, reason = "it is what the example is for")]

use undercast_patterns::compare::{Class, Difference, Kind, Part, Severity, Verdict};
use undercast_patterns::ledger::{Ledger, Page, RecordedPair, Tally};
use undercast_store::{Db, Env, Error, Options};

const PAIRS: u32 = 1_000_000;
const KINDS: u32 = 1_000;
const FLUSH_EVERY: u32 = 5_000;

fn resident_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap_or_default();
    let kib = line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).unwrap_or(0.0_f64);
    kib / 1024.0
}

fn verdict(at: u32) -> Verdict {
    let place = format!("/orders/*/lines/*/field{}", at % KINDS);
    let sample = |side: &str| Some(format!("{side} {at} {}", "x".repeat(500)).into());
    let difference = Difference {
        kind: Kind { part: Part::Body, class: Class::Text, place },
        severity: Severity::Count,
        times: 1,
        primary: sample("primary"),
        candidate: sample("candidate"),
    };
    Verdict { differences: vec![difference], ..Verdict::default() }
}

async fn run(location: Options) -> Result<(), Error> {
    let env = Env::system();
    let clock = env.clock.clone();
    let db = Db::open(location, env).await?;
    let (ledger, mut tally) = (Ledger::default(), Tally::new(1));
    let before_mib = resident_mib();
    let (begun, mut slowest, mut noting) = (clock.monotonic(), 0.0_f64, 0.0);
    for at in 0..PAIRS {
        let verdict = verdict(at);
        let from = clock.monotonic();
        tally.note(
            &verdict,
            10.0 + f64::from(at % 97),
            11.0 + f64::from(at % 89),
            i64::from(at),
            || RecordedPair { id: format!("pair-{at}") },
        );
        noting += (clock.monotonic() - from).as_secs_f64();
        if at % FLUSH_EVERY == FLUSH_EVERY - 1
            && let Some(batch) = tally.take()
        {
            let from = clock.monotonic();
            let batch = &batch;
            db.transact(|tx| async move { ledger.flush(&tx, "run", batch).await }).await?;
            slowest = slowest.max((clock.monotonic() - from).as_secs_f64());
        }
    }
    let seconds = (clock.monotonic() - begun).as_secs_f64();
    println!("{PAIRS} pairs, {KINDS} kinds: {seconds:.1} s, {:.2} µs for a note", noting);
    println!("slowest of {} flushes: {:.1} ms", PAIRS / FLUSH_EVERY, slowest * 1e3);
    println!("memory: {before_mib:.0} MiB before, {:.0} MiB after", resident_mib());
    let from = clock.monotonic();
    let page = ledger.kinds(&db, "run", &Page::default()).await?;
    println!("page of kinds: {:.1} ms", (clock.monotonic() - from).as_secs_f64() * 1e3);
    let mut slowest = 0.0_f64;
    for entry in &page.entries {
        let from = clock.monotonic();
        let found = ledger.kind(&db, "run", &entry.id).await?;
        slowest = slowest.max((clock.monotonic() - from).as_secs_f64());
        if found.is_none_or(|(_, samples)| samples.len() != 5) {
            println!("a kind is incomplete");
        }
    }
    println!("slowest of {} kinds with samples: {:.1} ms", page.entries.len(), slowest * 1e3);
    db.close().await;
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("in memory");
    run(Options::memory()).await?;
    let folder = tempfile::tempdir()?;
    println!("on disk");
    run(Options::dir(folder.path())).await?;
    Ok(())
}
