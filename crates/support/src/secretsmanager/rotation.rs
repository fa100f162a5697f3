//! Rotation: a schedule that begins one, and the four calls of the function that does it. Both are tasks.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use serde::{Deserialize, Serialize};
use serde_json::json;
use undercast_kernel::service::TaskSpec;
use undercast_kernel::{InvokeKind, InvokeRequest, Kernel, ServiceError};
use undercast_store::{Backoff, NewTask, Outcome, Task, TaskError, Tx};

use super::engine::{PENDING, add_version, arn, erase, labelled, move_stage};
use super::error::{invalid, refused};
use super::store::{Key, Rotation, SECRETS, SecretRow};

const ROTATE: &str = "secretsmanager.rotate";
const SCHEDULE: &str = "secretsmanager.schedule";
const DELETE: &str = "secretsmanager.delete";
const STEPS: [&str; 4] = ["createSecret", "setSecret", "testSecret", "finishSecret"];
/// How often a rotation is tried before it waits for its next time.
const ATTEMPTS_MAX: u32 = 5;
const HOUR_MS: i64 = 3_600_000;
pub(crate) const DAY_MS: i64 = 24 * HOUR_MS;

#[derive(Debug, Serialize, Deserialize)]
struct Running {
    key: Key,
    version: String,
}

pub(crate) fn tasks() -> [TaskSpec; 3] {
    let backoff = Backoff { first: Duration::from_secs(1), max: Duration::from_secs(300) };
    let spec =
        |name, attempts_max, run| TaskSpec { name, concurrency: 4, attempts_max, backoff, run };
    [
        spec(ROTATE, ATTEMPTS_MAX, Arc::new(|kernel, task| rotate(kernel, task).boxed())),
        spec(SCHEDULE, 0, Arc::new(|kernel, task| begin_by_schedule(kernel, task).boxed())),
        spec(DELETE, 0, Arc::new(|kernel, task| delete(kernel, task).boxed())),
    ]
}

fn spawn(
    tx: &Tx,
    kind: &'static str,
    key: &Key,
    due_ms: i64,
    payload: serde_json::Value,
) -> Result<(), ServiceError> {
    let name = json!(key).to_string().into_bytes();
    tx.spawn(NewTask {
        kind,
        key: name,
        due_ms,
        payload: payload.to_string().into_bytes().into(),
    })?;
    Ok(())
}

pub(crate) fn spawn_delete(tx: &Tx, key: &Key, at_ms: i64) -> Result<(), ServiceError> {
    spawn(tx, DELETE, key, at_ms, json!(key))
}

/// Begins a rotation. The caller puts the row.
pub(crate) fn begin(
    tx: &Tx,
    key: &Key,
    row: &mut SecretRow,
    version: &str,
) -> Result<(), ServiceError> {
    add_version(row, version, tx.now_ms());
    move_stage(row, PENDING, Some(version));
    if let Some(rotation) = &mut row.rotation {
        rotation.running = Some(version.to_owned());
    }
    let running = Running { key: key.clone(), version: version.to_owned() };
    spawn(tx, ROTATE, key, tx.now_ms(), json!(running))
}

/// Sets when the next rotation begins. The caller puts the row.
pub(crate) fn plan(tx: &Tx, key: &Key, row: &mut SecretRow) -> Result<(), ServiceError> {
    let Some(rotation) = row.rotation.as_mut().filter(|rotation| rotation.is_enabled) else {
        return Ok(());
    };
    rotation.next_ms = period_ms(rotation)?.map(|period| tx.now_ms() + period);
    match rotation.next_ms {
        Some(at) => spawn(tx, SCHEDULE, key, at, json!(key)),
        None => Ok(()),
    }
}

/// How long it is from one rotation to the next.
pub(crate) fn period_ms(rotation: &Rotation) -> Result<Option<i64>, ServiceError> {
    let Some(schedule) = &rotation.schedule else {
        return Ok(rotation.after_days.map(|days| days * DAY_MS));
    };
    if schedule.starts_with("cron(") {
        return Err(ServiceError::unsupported("a cron expression as rotation schedule"));
    }
    let rate = schedule.strip_prefix("rate(").and_then(|rest| rest.strip_suffix(')'));
    let parts = rate.and_then(|rate| rate.split_once(' '));
    let period = parts.and_then(|(count, unit)| {
        let count: i64 = count.parse().ok()?;
        match unit {
            "hour" | "hours" if (4..=999 * 24).contains(&count) => Some(count * HOUR_MS),
            "day" | "days" if (1..=999).contains(&count) => Some(count * DAY_MS),
            _ => None,
        }
    });
    match period {
        Some(period) => Ok(Some(period)),
        None => Err(invalid("The rotation schedule expression is not valid.")),
    }
}

pub(crate) fn no_function() -> ServiceError {
    refused("No Lambda rotation function ARN is associated with this secret.")
}

fn failed(error: &ServiceError) -> TaskError {
    TaskError::new(error.to_string())
}

async fn begin_by_schedule(kernel: Kernel, task: Task) -> Result<Outcome, TaskError> {
    let key: Key = serde_json::from_slice(&task.payload).map_err(TaskError::fatal)?;
    let run = move |tx: Tx| {
        let key = key.clone();
        async move {
            let Some(mut row) = SECRETS.get(&tx, &key).await? else { return Ok(()) };
            let next = row.rotation.as_ref().filter(|r| r.is_enabled).and_then(|r| r.next_ms);
            // Cancelled, put off, or marked for deletion.
            if row.deleted_ms.is_some() || next.is_none_or(|at| at > tx.now_ms()) {
                return Ok(());
            }
            // A rotation that never ended is tried again with its own version.
            let pending = row.rotation.as_ref().and_then(|rotation| rotation.running.clone());
            let version = pending.unwrap_or_else(|| tx.ids().uuid());
            begin(&tx, &key, &mut row, &version)?;
            plan(&tx, &key, &mut row)?;
            SECRETS.put(&tx, &key, &row)?;
            Ok::<_, ServiceError>(())
        }
    };
    kernel.db().transact(run).await.map_err(|error| failed(&error))?;
    Ok(Outcome::Done)
}

async fn delete(kernel: Kernel, task: Task) -> Result<Outcome, TaskError> {
    let key: Key = serde_json::from_slice(&task.payload).map_err(TaskError::fatal)?;
    let run = move |tx: Tx| {
        let key = key.clone();
        async move {
            let Some(row) = SECRETS.get(&tx, &key).await? else { return Ok(()) };
            match row.deletion_ms {
                Some(at) if at <= tx.now_ms() => erase(&tx, &key, &row),
                _ => Ok::<_, ServiceError>(()),
            }
        }
    };
    kernel.db().transact(run).await.map_err(|error| failed(&error))?;
    Ok(Outcome::Done)
}

/// The four steps, each safe to be asked for again: that is what a rotation function promises.
async fn rotate(kernel: Kernel, task: Task) -> Result<Outcome, TaskError> {
    let Running { key, version } =
        serde_json::from_slice(&task.payload).map_err(TaskError::fatal)?;
    let ctx = kernel.service_context("secretsmanager.amazonaws.com", &key.0, &key.1);
    let is_under_way = |row: &SecretRow| {
        let running = row.rotation.as_ref().and_then(|rotation| rotation.running.as_deref());
        row.deleted_ms.is_none() && running == Some(version.as_str())
    };
    for step in STEPS {
        let row = SECRETS.read(kernel.db(), &key).await.map_err(TaskError::new)?;
        let Some(row) = row.filter(is_under_way) else { return Ok(Outcome::Done) };
        let payload = json!({
            "Step": step, "SecretId": arn(&ctx, &key.2, &row), "ClientRequestToken": version,
        });
        let request = InvokeRequest {
            function: row.rotation.map(|rotation| rotation.function).unwrap_or_default(),
            payload: payload.to_string().into_bytes().into(),
            kind: InvokeKind::RequestResponse,
            guise: None,
        };
        let port = kernel.invoke().map_err(|error| failed(&error))?;
        let answer = port.invoke(ctx.clone(), request).await.map_err(|error| failed(&error))?;
        if answer.function_error.is_some() {
            let told = String::from_utf8_lossy(&answer.payload).into_owned();
            return Err(TaskError::new(format!("the rotation function failed in {step}: {told}")));
        }
    }
    let run = move |tx: Tx| {
        let (key, version) = (key.clone(), version.clone());
        async move {
            let Some(mut row) = SECRETS.get(&tx, &key).await? else { return Ok(()) };
            if labelled(&row, super::engine::CURRENT) != Some(version.as_str()) {
                return Err(refused("the rotation function has not moved AWSCURRENT"));
            }
            if labelled(&row, PENDING) == Some(version.as_str()) {
                move_stage(&mut row, PENDING, None);
            }
            if let Some(rotation) = &mut row.rotation {
                rotation.running = None;
            }
            row.rotated_ms = Some(tx.now_ms());
            row.changed_ms = tx.now_ms();
            SECRETS.put(&tx, &key, &row)?;
            Ok::<_, ServiceError>(())
        }
    };
    kernel.db().transact(run).await.map_err(|error| failed(&error))?;
    Ok(Outcome::Done)
}
