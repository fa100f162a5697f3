//! How a query becomes results: a task, so that it ends whoever dies meanwhile.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use serde_json::json;
use undercast_kernel::service::TaskSpec;
use undercast_kernel::{Kernel, ServiceError};
use undercast_store::{Backoff, NewTask, Outcome, Task, TaskError, Tx};

use super::{Record, Value, parse, run};
use crate::store::{EVENTS, GROUPS, QUERIES, QueryKey, QueryRow, RESULTS};
use crate::tasks::DAY_MS;

const KIND: &str = "logs.query";
/// Results stay as long as with AWS.
const KEPT_MS: i64 = 7 * DAY_MS;
const EVENTS_MAX: usize = 200_000;
const BYTES_MAX: usize = 64 << 20;
const TIME_MAX: Duration = Duration::from_secs(60);
const PAGE: usize = 2_000;
/// Of one row of the store.
const CHUNK_BYTES: usize = 300 << 10;
const VALUE_BYTES_MAX: usize = 100 << 10;

pub(crate) fn task() -> TaskSpec {
    let backoff = Backoff { first: Duration::from_millis(500), max: Duration::from_secs(60) };
    let run = Arc::new(|kernel, task| run_task(kernel, task).boxed());
    TaskSpec { name: KIND, concurrency: 2, attempts_max: 0, backoff, run }
}

pub(crate) fn spawn(tx: &Tx, key: &QueryKey) -> Result<(), ServiceError> {
    let payload = json!(key).to_string().into_bytes();
    let key = payload.clone();
    tx.spawn(NewTask { kind: KIND, key, due_ms: tx.now_ms(), payload: payload.into() })?;
    Ok(())
}

async fn run_task(kernel: Kernel, task: Task) -> Result<Outcome, TaskError> {
    let key: QueryKey = serde_json::from_slice(&task.payload).map_err(TaskError::fatal)?;
    let Some(row) = QUERIES.read(kernel.db(), &key).await? else {
        return Ok(Outcome::Done);
    };
    let gone_ms = row.created_ms + KEPT_MS;
    if kernel.env().clock.now_ms() >= gone_ms {
        drop_query(&kernel, &key).await.map_err(TaskError::new)?;
        return Ok(Outcome::Done);
    }
    if row.status == "Running" {
        answer(&kernel, &key, row).await.map_err(TaskError::new)?;
    }
    Ok(Outcome::Again { due_ms: gone_ms, payload: None })
}

async fn drop_query(kernel: &Kernel, key: &QueryKey) -> Result<(), ServiceError> {
    kernel
        .db()
        .transact(|tx| {
            let key = key.clone();
            async move {
                let range = RESULTS.prefix(&(key.2.clone(),));
                for (place, _) in RESULTS.scan(&tx, range, 20_000, false).await? {
                    RESULTS.delete(&tx, &place)?;
                }
                QUERIES.delete(&tx, &key)?;
                Ok::<_, ServiceError>(())
            }
        })
        .await
}

/// Events that a query looks at.
#[derive(Default)]
struct Scanned {
    records: Vec<(i64, Record)>,
    bytes: usize,
    is_cut: bool,
}

async fn answer(kernel: &Kernel, key: &QueryKey, mut row: QueryRow) -> Result<(), ServiceError> {
    let begun = kernel.env().clock.monotonic();
    let commands = parse(&row.query).map_err(ServiceError::internal)?;
    let mut scanned = Scanned::default();
    for group in &row.groups {
        scan(kernel, key, &row, group, begun, &mut scanned).await?;
    }
    let Scanned { mut records, bytes, is_cut } = scanned;
    records.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    row.scanned = records.len() as u64;
    row.bytes = bytes as u64;
    let limit = usize::try_from(row.limit).unwrap_or(super::RESULTS_MAX);
    let records = records.into_iter().map(|(_, record)| record).collect();
    let (found, is_full) = run(&commands, records, limit);
    row.matched = found.len() as u64;
    row.status = if is_cut || is_full { "Timeout" } else { "Complete" }.to_owned();
    let mut chunk = Vec::new();
    let (mut size, mut place) = (0, 0);
    for record in &found {
        let mut fields = record.answer();
        for (_, value) in &mut fields {
            cut(value);
        }
        size += fields.iter().map(|(name, value)| name.len() + value.len() + 8).sum::<usize>();
        chunk.push(fields);
        if size >= CHUNK_BYTES {
            keep(kernel, key, place, std::mem::take(&mut chunk)).await?;
            (size, place) = (0, place + 1);
        }
    }
    keep(kernel, key, place, chunk).await?;
    row.chunks = place + 1;
    let took = kernel.env().clock.monotonic().saturating_sub(begun);
    row.took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    kernel
        .db()
        .transact(|tx| {
            let (key, row) = (key.clone(), row.clone());
            async move {
                // Whoever stopped it meanwhile has the last word.
                match QUERIES.get(&tx, &key).await? {
                    Some(now) if now.status == "Running" => Ok(QUERIES.put(&tx, &key, &row)?),
                    _ => Ok::<_, ServiceError>(()),
                }
            }
        })
        .await
}

fn cut(text: &mut String) {
    if text.len() > VALUE_BYTES_MAX {
        let end = (0..=VALUE_BYTES_MAX).rev().find(|at| text.is_char_boundary(*at));
        text.truncate(end.unwrap_or(0));
    }
}

async fn keep(
    kernel: &Kernel,
    key: &QueryKey,
    place: u64,
    rows: Vec<Vec<(String, String)>>,
) -> Result<(), ServiceError> {
    let rows = Arc::new(crate::store::ResultRows { rows });
    kernel
        .db()
        .transact(|tx| {
            let (id, rows) = (key.2.clone(), Arc::clone(&rows));
            async move { Ok::<_, ServiceError>(RESULTS.put(&tx, &(id, place), &rows)?) }
        })
        .await
}

/// The events of a group, the newest first.
async fn scan(
    kernel: &Kernel,
    key: &QueryKey,
    row: &QueryRow,
    name: &str,
    begun: Duration,
    scanned: &mut Scanned,
) -> Result<(), ServiceError> {
    let (account, region, _) = key;
    let group = (account.clone(), region.clone(), name.to_owned());
    let Some(group) = GROUPS.read(kernel.db(), &group).await? else {
        return Ok(());
    };
    let mut end = EVENTS.key(&(group.number, row.end_ms.saturating_add(1)));
    loop {
        let range = EVENTS.from(&(group.number,), &(group.number, row.start_ms)).before_key(end);
        let page = EVENTS.list(kernel.db(), range, PAGE, true).await?;
        let is_last = page.len() < PAGE;
        let Some((last, _)) = page.last() else {
            return Ok(());
        };
        end = EVENTS.key(last);
        for (place, event) in page {
            scanned.bytes += event.message.len();
            let took = kernel.env().clock.monotonic().saturating_sub(begun);
            if scanned.records.len() >= EVENTS_MAX || scanned.bytes > BYTES_MAX || took > TIME_MAX {
                scanned.is_cut = true;
                return Ok(());
            }
            let pointer = format!("{}/{name}/{}/{}", key.0, place.1, place.2);
            let system = vec![
                ("@timestamp", Value::Time(place.1)),
                ("@ingestionTime", Value::Time(event.ingested_ms)),
                ("@logStream", Value::Text(event.stream)),
                ("@log", Value::Text(format!("{account}:{name}"))),
                ("@ptr", Value::Text(pointer)),
            ];
            scanned.records.push((place.1, Record::of_event(system, &event.message)));
        }
        if is_last {
            return Ok(());
        }
    }
}
