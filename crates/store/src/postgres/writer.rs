//! The writers: groups of commits, each one database transaction.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use tokio_postgres::error::Severity;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Statement};

use super::attempt::ABSENT;
use super::pool::Session;
use super::schema::{LOCK_BUCKET, LOCK_SHARD};
use super::{Core, failed};
use crate::backend::{Add, Before, Changes};
use crate::error::Error;

/// Keys are locked by bucket, because the server has room for some thousand locks only.
const BUCKETS: u64 = 1024;
/// A group stops growing at this many buckets, so that groups of other writers can pass.
const GROUP_BUCKETS_MAX: usize = 256;
const GROUP_BYTES_MAX: usize = 8 << 20;
const GROUP_COMMITS_MAX: usize = 128;
/// How often a group is tried on a new connection before its commits fail.
const TRIES_MAX: u32 = 4;

pub(super) struct Pending {
    pub(super) changes: Changes,
    /// Versions of what was read and claimed.
    pub(super) expected: Vec<(Bytes, i64)>,
    pub(super) reply: oneshot::Sender<Result<Before, Error>>,
}

/// A connection that writes. Its shard keeps its counters apart from those of all others.
struct Writer {
    client: Client,
    shard: i32,
    /// The id of the last commit, removed with the next.
    last_id: i64,
    lock: Statement,
    check: Statement,
    put: Statement,
    delete: Statement,
    reset: Statement,
    add: Statement,
    note: Statement,
}

const LOCK: &str = "select case when alone then pg_advisory_xact_lock($3, bucket)
        else pg_advisory_xact_lock_shared($3, bucket) end
    from unnest($1::int[], $2::bool[]) as wanted(bucket, alone)";
const CHECK: &str = "select key, version, case when key = any($2) then value end from undercast.rows where key = any($1)";
const PUT: &str = "insert into undercast.rows (key, value, version)
    select key, value, $3 from unnest($1::bytea[], $2::bytea[]) as new(key, value)
    on conflict (key) do update set value = excluded.value, version = excluded.version";
const DELETE: &str = "delete from undercast.rows where key = any($1)";
const RESET: &str = "delete from undercast.counters where key = any($1)";
const ADD: &str = "insert into undercast.counters (key, shard, value)
    select key, $3, delta from unnest($1::bytea[], $2::bigint[]) as new(key, delta)
    on conflict (key, shard) do update set value = undercast.counters.value + excluded.value";
const NOTE: &str = "with gone as (delete from undercast.commits where id = $2) insert into undercast.commits values ($1)";

impl Writer {
    async fn connect(core: &Core) -> Result<Writer, Error> {
        let client = Session::connect(core.readers.config(), &core.env).await?;
        let shard = free_shard(&client).await?;
        let prepared = async {
            futures::try_join!(
                client.prepare(LOCK),
                client.prepare(CHECK),
                client.prepare(PUT),
                client.prepare(DELETE),
                client.prepare(RESET),
                client.prepare(ADD),
                client.prepare(NOTE),
            )
        };
        let (lock, check, put, delete, reset, add, note) = prepared.await.map_err(failed)?;
        Ok(Writer { client, shard, last_id: 0, lock, check, put, delete, reset, add, note })
    }
}

/// The first shard that no living connection has.
async fn free_shard(client: &Client) -> Result<i32, Error> {
    for shard in 0.. {
        let row = client
            .query_one("select pg_try_advisory_lock($1, $2)", &[&LOCK_SHARD, &shard])
            .await
            .map_err(failed)?;
        if row.try_get::<_, bool>(0).map_err(failed)? {
            return Ok(shard);
        }
    }
    Err(Error::unavailable("there is no free shard"))
}

pub(super) async fn write_groups(
    core: Arc<Core>,
    queue: Arc<tokio::sync::Mutex<mpsc::UnboundedReceiver<Pending>>>,
) {
    let mut writer = None;
    loop {
        let group = {
            let mut queue = queue.lock().await;
            let Some(first) = queue.recv().await else {
                return;
            };
            collect(first, &mut queue)
        };
        write_group(&core, &mut writer, group).await;
    }
}

fn bucket(key: &[u8]) -> i32 {
    let hash = blake3::hash(key);
    let (head, _) = hash.as_bytes().split_first_chunk::<8>().unwrap_or((&[0; 8], &[]));
    i32::try_from(u64::from_le_bytes(*head) % BUCKETS).unwrap_or_default()
}

fn collect(first: Pending, queue: &mut mpsc::UnboundedReceiver<Pending>) -> Vec<Pending> {
    let mut buckets = BTreeSet::new();
    let mut bytes = 0;
    let mut measure = |pending: &Pending| {
        let Changes { reads, writes, .. } = &pending.changes;
        buckets.extend(reads.iter().chain(writes.keys()).map(|key| bucket(key)));
        bytes += writes.values().flatten().map(Bytes::len).sum::<usize>();
        buckets.len() < GROUP_BUCKETS_MAX && bytes < GROUP_BYTES_MAX
    };
    let mut has_room = measure(&first);
    let mut group = vec![first];
    while has_room && group.len() < GROUP_COMMITS_MAX {
        let Ok(next) = queue.try_recv() else { break };
        has_room = measure(&next);
        group.push(next);
    }
    group
}

/// How a try ended that did not succeed.
enum Failed {
    /// Nothing was written.
    Before(Error),
    /// The answer to the commit was lost.
    Unknown { id: i64, error: Error },
}

async fn write_group(core: &Core, writer: &mut Option<Writer>, group: Vec<Pending>) {
    let mut tries = 0;
    let outcome = loop {
        tries += 1;
        let error = match try_group(core, writer, &group).await {
            Ok(written) => break Ok(written),
            Err(Failed::Before(error)) => error,
            Err(Failed::Unknown { id, error }) => match was_committed(core, writer, id).await {
                Ok(true) => break Ok(Written::unknown_before(&group)),
                Ok(false) => error,
                Err(error) => break Err(error),
            },
        };
        // Whatever went wrong, the next try starts on a fresh connection.
        *writer = None;
        if tries == TRIES_MAX {
            break Err(error);
        }
        tracing::warn!(%error, tries, "a group of commits is tried again");
        let wait = Duration::from_millis(50 << (2 * tries));
        core.env.clock.sleep(core.env.jitter(wait)).await;
    };
    match outcome {
        Err(error) => {
            group.into_iter().for_each(|pending| drop(pending.reply.send(Err(error.clone()))))
        }
        Ok(written) => answer(core, group, written),
    }
}

/// What became of each commit of a group, in order.
struct Written {
    outcomes: Vec<Result<Before, Error>>,
    rows: Vec<(Bytes, bool)>,
}

impl Written {
    /// The group stands, but what it replaced is lost with the answer, so nobody is told a wrong before-image.
    fn unknown_before(group: &[Pending]) -> Written {
        let rows = group.iter().flat_map(|pending| &pending.changes.writes);
        let rows = rows.map(|(key, value)| (key.clone(), value.is_some())).collect();
        Written { outcomes: group.iter().map(|_| Ok(Before::new())).collect(), rows }
    }
}

fn answer(core: &Core, group: Vec<Pending>, written: Written) {
    core.watches.mark(written.rows.iter().map(|(key, put)| (key, *put)));
    core.notifier.tell(written.rows.iter().map(|(key, _)| key));
    for (pending, outcome) in group.into_iter().zip(written.outcomes) {
        let _ = pending.reply.send(outcome);
    }
}

/// Whether the group with this id was committed. Inserting the id waits for a transaction that is still about to,
/// and once it is ours the other can never commit.
async fn was_committed(core: &Core, writer: &mut Option<Writer>, id: i64) -> Result<bool, Error> {
    *writer = None;
    let mut tries = 0;
    loop {
        let asked = async {
            let fresh = Writer::connect(core).await?;
            let sql = "insert into undercast.commits values ($1) on conflict do nothing";
            let inserted = fresh.client.execute(sql, &[&id]).await.map_err(failed)?;
            Ok::<_, Error>(inserted == 0)
        };
        tries += 1;
        match asked.await {
            Ok(committed) => return Ok(committed),
            Err(error) if tries >= 8 => {
                let reason =
                    format!("the database, and whether a commit took place is unknown: {error}");
                return Err(Error::unavailable(reason));
            }
            Err(_) => core.env.clock.sleep(Duration::from_millis(50 << tries)).await,
        }
    }
}

/// Everything that a group wants, laid out for the statements.
#[derive(Default)]
struct Plan {
    outcomes: Vec<Result<Before, Error>>,
    writes: BTreeMap<Bytes, Option<Bytes>>,
    adds: BTreeMap<Bytes, Add>,
}

async fn try_group(
    core: &Core,
    writer: &mut Option<Writer>,
    group: &[Pending],
) -> Result<Written, Failed> {
    let writer = match writer {
        Some(writer) => writer,
        None => writer.insert(Writer::connect(core).await.map_err(Failed::Before)?),
    };
    let current = look(writer, group).await.map_err(|error| Failed::Before(failed(error)))?;
    let plan = plan(group, &current);
    if plan.writes.is_empty() && plan.adds.is_empty() {
        let _ = writer.client.batch_execute("rollback").await;
        return Ok(Written { outcomes: plan.outcomes, rows: Vec::new() });
    }
    let id = core.env.ids.u64().cast_signed() >> 1;
    write(writer, &plan, id).await?;
    writer.last_id = id;
    let rows = plan.writes.iter().map(|(key, value)| (key.clone(), value.is_some()));
    let rows = rows.chain(plan.adds.keys().map(|key| (key.clone(), true))).collect();
    Ok(Written { outcomes: plan.outcomes, rows })
}

type Current = HashMap<Bytes, (i64, Option<Bytes>)>;

/// The first round trip: begin, lock, and see what is there.
async fn look(writer: &Writer, group: &[Pending]) -> Result<Current, tokio_postgres::Error> {
    let mut buckets: BTreeMap<i32, bool> = BTreeMap::new();
    let mut keys: BTreeSet<&[u8]> = BTreeSet::new();
    let mut wanted: BTreeSet<&[u8]> = BTreeSet::new();
    for pending in group {
        for (key, _) in &pending.expected {
            buckets.entry(bucket(key)).or_default();
            keys.insert(key);
        }
        for key in pending.changes.writes.keys() {
            buckets.insert(bucket(key), true);
            if pending.changes.want_before {
                keys.insert(key);
                wanted.insert(key);
            }
        }
    }
    let (buckets, alone): (Vec<i32>, Vec<bool>) = buckets.into_iter().unzip();
    let keys: Vec<&[u8]> = keys.into_iter().collect();
    let wanted: Vec<&[u8]> = wanted.into_iter().collect();
    let lock_parameters: [&(dyn ToSql + Sync); 3] = [&buckets, &alone, &LOCK_BUCKET];
    let check_parameters: [&(dyn ToSql + Sync); 2] = [&keys, &wanted];
    let (client, lock) = (&writer.client, &writer.lock);
    let ((), _, rows) = futures::try_join!(
        client.batch_execute("begin isolation level read committed"),
        client.query(lock, &lock_parameters),
        client.query(&writer.check, &check_parameters),
    )?;
    let mut current = Current::new();
    for row in rows {
        let key: &[u8] = row.try_get(0)?;
        let value: Option<&[u8]> = row.try_get(2)?;
        current.insert(
            Bytes::copy_from_slice(key),
            (row.try_get(1)?, value.map(Bytes::copy_from_slice)),
        );
    }
    Ok(current)
}

/// Decides each commit in order: one that read what an earlier one of the group writes is in conflict, too.
fn plan(group: &[Pending], current: &Current) -> Plan {
    let mut plan = Plan::default();
    for Pending { changes, expected, .. } in group {
        let changed = |(key, version): &&(Bytes, i64)| {
            let now = current.get(key).map_or(ABSENT, |(version, _)| *version);
            plan.writes.contains_key(key) || now != *version
        };
        if let Some((key, _)) = expected.iter().find(changed) {
            plan.outcomes.push(Err(Error::conflict(key.clone())));
            continue;
        }
        let mut before = Before::new();
        if changes.want_before {
            for key in changes.writes.keys() {
                let stored = || current.get(key).and_then(|(_, value)| value.clone());
                before.push((key.clone(), plan.writes.get(key).cloned().unwrap_or_else(stored)));
            }
        }
        plan.writes.extend(changes.writes.clone());
        for (key, add) in &changes.adds {
            let sum = plan.adds.entry(key.clone()).or_default();
            match add.reset {
                true => *sum = *add,
                false => sum.delta = sum.delta.wrapping_add(add.delta),
            }
        }
        plan.outcomes.push(Ok(before));
    }
    plan
}

fn is_plain(error: &tokio_postgres::Error) -> bool {
    error.as_db_error().is_some_and(|error| error.parsed_severity() == Some(Severity::Error))
}

/// The second round trip: write and commit.
async fn write(writer: &Writer, plan: &Plan, id: i64) -> Result<(), Failed> {
    let (mut keys, mut values, mut deleted): (Vec<&[u8]>, Vec<&[u8]>, Vec<&[u8]>) =
        Default::default();
    for (key, value) in &plan.writes {
        match value {
            Some(value) => {
                keys.push(key);
                values.push(value);
            }
            None => deleted.push(key),
        }
    }
    let resets: Vec<&[u8]> =
        plan.adds.iter().filter(|(_, add)| add.reset).map(|(key, _)| key.as_ref()).collect();
    let adds = plan.adds.iter().filter(|(_, add)| add.delta != 0);
    let (counters, deltas): (Vec<&[u8]>, Vec<i64>) =
        adds.map(|(key, add)| (key.as_ref(), add.delta)).unzip();
    let client = &writer.client;
    // The id of the group is the version of its rows: never used again, and never 0.
    let version = if id == ABSENT { 1 } else { id };
    let put: [&(dyn ToSql + Sync); 3] = [&keys, &values, &version];
    let delete: [&(dyn ToSql + Sync); 1] = [&deleted];
    let reset: [&(dyn ToSql + Sync); 1] = [&resets];
    let add: [&(dyn ToSql + Sync); 3] = [&counters, &deltas, &writer.shard];
    let note: [&(dyn ToSql + Sync); 2] = [&id, &writer.last_id];
    let skip_or = async |has_any: bool,
                         statement: &Statement,
                         parameters: &[&(dyn ToSql + Sync)]| match has_any {
        true => client.execute(statement, parameters).await,
        false => Ok(0),
    };
    let written = futures::try_join!(
        skip_or(!keys.is_empty(), &writer.put, &put),
        skip_or(!deleted.is_empty(), &writer.delete, &delete),
        skip_or(!resets.is_empty(), &writer.reset, &reset),
        skip_or(!counters.is_empty(), &writer.add, &add),
        client.execute(&writer.note, &note),
        client.batch_execute("commit"),
    );
    match written {
        Ok(_) => Ok(()),
        // The server told why and goes on: then it rolled back, and says so to the commit that follows. If it
        // told why it ends the connection, the commit may have taken place.
        Err(error) if is_plain(&error) => Err(Failed::Before(failed(error))),
        Err(error) => Err(Failed::Unknown { id, error: failed(error) }),
    }
}
