//! Moves a release.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use serde_json::{Value, json};
use undercast_kernel::service::TaskSpec;
use undercast_kernel::{Context, Kernel, ServiceError};
use undercast_smithy::document::{from_document, to_document};
use undercast_store::{Backoff, NewTask, Outcome, Task, TaskError, Tx};

use super::{alarms, guard, run_name};
use crate::api::release::shapes;
use crate::error::no_release;
use crate::gate::Stats;
use crate::ladder::{Action, Command, Phase, StepKind, advance};
use crate::ledger::Ledger;
use crate::store::{MOVING, RELEASES, RUNS, ReleaseRow, ReportRow, RunKey, SERVED, ServedRow};

const STEP: &str = "release.step";
/// A task that only waits for traffic looks again after this long, in case a wake was lost with a node.
const LOOK_AGAIN_MS: i64 = 3_600_000;

pub(crate) fn step_task(moves: Arc<tokio::sync::Mutex<()>>) -> TaskSpec {
    let backoff = Backoff { first: Duration::from_millis(500), max: Duration::from_secs(60) };
    let run = Arc::new(move |kernel, task| run_step(kernel, task, Arc::clone(&moves)).boxed());
    TaskSpec { name: STEP, concurrency: 4, attempts_max: 0, backoff, run }
}

/// Lets the release look at itself.
pub(crate) fn spawn_step(tx: &Tx, key: &RunKey, due_ms: i64) -> Result<(), ServiceError> {
    let payload = json!(key).to_string().into_bytes();
    tx.spawn(NewTask { kind: STEP, key: payload.clone(), due_ms, payload: payload.into() })?;
    Ok(())
}

async fn run_step(
    kernel: Kernel,
    task: Task,
    moves: Arc<tokio::sync::Mutex<()>>,
) -> Result<Outcome, TaskError> {
    let broken = |error: &dyn std::fmt::Display| TaskError::new(error.to_string());
    let key: RunKey = serde_json::from_slice(&task.payload).map_err(|e| broken(&e))?;
    match drive(&kernel, &moves, &key, None, "").await {
        Ok(row) if row.state.is_final() => Ok(Outcome::Done),
        Ok(row) => {
            let now_ms = kernel.env().clock.now_ms();
            let due_ms = row.state.due_ms(&row.plan).filter(|due_ms| *due_ms > now_ms);
            let due_ms = due_ms.unwrap_or(now_ms + LOOK_AGAIN_MS);
            let due_ms = match alarms::minded(&row).is_empty() {
                true => due_ms,
                false => due_ms.min(now_ms + alarms::LOOK_MS),
            };
            Ok(Outcome::Again { due_ms, payload: None })
        }
        Err(error) if error.code() == "ResourceNotFoundException" => Ok(Outcome::Done),
        Err(error) => Err(broken(&error)),
    }
}

/// Takes as many steps as the counts allow, with what somebody commands first.
pub(crate) async fn drive(
    kernel: &Kernel,
    moves: &tokio::sync::Mutex<()>,
    key: &RunKey,
    command: Option<Command>,
    reason: &str,
) -> Result<ReleaseRow, ServiceError> {
    // What an older decision wants must not be done after what a newer one wants.
    let _one = moves.lock().await;
    let mut command = command;
    loop {
        // What was decided before a crash is done first.
        let row = release(kernel, key).await?;
        act(kernel, key, &row).await?;
        let (command, reason) = match command.take() {
            Some(command) => (Some(command), reason.to_owned()),
            None => match alarms::fault(kernel, key, &row).await? {
                Some(fault) => (Some(Command::Alarm), fault),
                None => (None, String::new()),
            },
        };
        let (row, moved) = decide(kernel, key, command, &reason).await?;
        act(kernel, key, &row).await?;
        let row = done(kernel, key).await?;
        if !moved || row.state.is_final() {
            return Ok(row);
        }
    }
}

async fn release(kernel: &Kernel, key: &RunKey) -> Result<ReleaseRow, ServiceError> {
    RELEASES.read(kernel.db(), key).await?.ok_or_else(|| no_release(&key.2))
}

/// Asks the ladder and writes what follows.
async fn decide(
    kernel: &Kernel,
    key: &RunKey,
    command: Option<Command>,
    reason: &str,
) -> Result<(ReleaseRow, bool), ServiceError> {
    let row = release(kernel, key).await?;
    let run = dark_run(kernel, key, &row).await?;
    let summary = match &run {
        Some(id) => Ledger::default().summary(kernel.db(), id).await?.unwrap_or_default(),
        None => Default::default(),
    };
    let input = Arc::new((key.clone(), command, reason.to_owned(), summary));
    kernel
        .db()
        .transact(move |tx| {
            let input = Arc::clone(&input);
            async move {
                let (key, command, reason, summary) = &*input;
                let mut row = RELEASES.get(&tx, key).await?.ok_or_else(|| no_release(&key.2))?;
                let served = SERVED.get(&tx, &(row.id.clone(),)).await?.unwrap_or_default();
                let stats = match row.plan.steps.get(row.state.step).map(|step| step.kind) {
                    Some(StepKind::Dark { .. }) => summary.since(&row.base).stats(),
                    _ => served.stats,
                };
                let moved = take(&mut row, &stats, tx.now_ms(), *command, reason);
                if moved.entered {
                    row.base = summary.clone();
                    let fresh = ServedRow { since_ms: tx.now_ms(), stats: Stats::default() };
                    SERVED.put(&tx, &(row.id.clone(),), &fresh)?;
                }
                if row.state.is_final() {
                    MOVING.delete(&tx, &guard(key, &row))?;
                    SERVED.delete(&tx, &(row.id.clone(),))?;
                }
                if moved.changed {
                    row.changed_ms = tx.now_ms();
                    RELEASES.put(&tx, key, &row)?;
                }
                Ok::<_, ServiceError>((row, moved.entered))
            }
        })
        .await
}

struct Moved {
    changed: bool,
    /// A step began.
    entered: bool,
}

/// One move of the ladder, noted in the row.
fn take(
    row: &mut ReleaseRow,
    stats: &Stats,
    now_ms: i64,
    command: Option<Command>,
    reason: &str,
) -> Moved {
    let before = row.state.clone();
    let (mut state, actions) = advance(&before, &row.plan, stats, now_ms, command);
    if command.is_some() && !reason.is_empty() && state != before {
        state.reasons.push(reason.to_owned());
    }
    let began = state.since_ms != before.since_ms && state.phase == Phase::Running;
    let open = row.reports.last_mut().filter(|report| report.ended_ms.is_none());
    if let Some(report) = open.filter(|_| began || state.is_final()) {
        report.ended_ms = Some(now_ms);
        report.outcome = match state.phase {
            Phase::RolledBack => state.reasons.join("; "),
            _ => "passed".to_owned(),
        };
    }
    if began {
        row.reports.push(ReportRow {
            step: state.step,
            began_ms: now_ms,
            ended_ms: None,
            outcome: String::new(),
        });
    }
    row.pending.extend(actions);
    let changed = state != before || !row.pending.is_empty();
    row.state = state;
    Moved { changed, entered: began }
}

/// The id of the release's dark run, if it has one now.
async fn dark_run(
    kernel: &Kernel,
    key: &RunKey,
    row: &ReleaseRow,
) -> Result<Option<String>, ServiceError> {
    let run_key = (key.0.clone(), key.1.clone(), run_name(&key.2));
    let run = RUNS.read(kernel.db(), &run_key).await?;
    Ok(run.filter(|run| run.client_token.as_ref() == Some(&row.id)).map(|run| run.id))
}

/// Does what is pending.
async fn act(kernel: &Kernel, key: &RunKey, row: &ReleaseRow) -> Result<(), ServiceError> {
    let ctx = kernel.service_context("undercast-release.amazonaws.com", &key.0, &key.1);
    for action in &row.pending {
        match action {
            Action::SetDark(share) => set_dark(&ctx, key, row, *share).await?,
            Action::StopDark => stop_dark(&ctx, key, row).await?,
            Action::SetWeight(weight) => set_alias(&ctx, row, &row.from, *weight).await?,
            Action::Promote => set_alias(&ctx, row, &row.to, 0.0).await?,
            Action::RollBack => {
                let (name, why) = (&key.2, row.state.reasons.join("; "));
                tracing::warn!(target: "undercast::release", "{name} went back: {why}");
            }
        }
    }
    if row.state.is_final()
        && !row.pending.is_empty()
        && let Some(port) = kernel.released()
    {
        port.released(ctx, key.2.clone()).await?;
    }
    Ok(())
}

/// Nothing is pending any more.
async fn done(kernel: &Kernel, key: &RunKey) -> Result<ReleaseRow, ServiceError> {
    let key = key.clone();
    kernel
        .db()
        .transact(move |tx| {
            let key = key.clone();
            async move {
                let mut row = RELEASES.get(&tx, &key).await?.ok_or_else(|| no_release(&key.2))?;
                if !row.pending.is_empty() {
                    row.pending.clear();
                    RELEASES.put(&tx, &key, &row)?;
                }
                Ok::<_, ServiceError>(row)
            }
        })
        .await
}

/// The alias leads to `version`, and to the new one with this weight.
async fn set_alias(
    ctx: &Context,
    row: &ReleaseRow,
    version: &str,
    weight: f64,
) -> Result<(), ServiceError> {
    let mut weights = serde_json::Map::new();
    if weight > 0.0 {
        weights.insert(row.to.clone(), weight.into());
    }
    let input = json!({
        "FunctionName": row.function,
        "Name": row.alias,
        "FunctionVersion": version,
        "RoutingConfig": {"AdditionalVersionWeights": weights},
    });
    ctx.kernel().call(ctx, "lambda", "UpdateAlias", &input).await.map(drop)
}

async fn set_dark(
    ctx: &Context,
    key: &RunKey,
    row: &ReleaseRow,
    share: f64,
) -> Result<(), ServiceError> {
    let name = run_name(&key.2);
    let arn = |qualifier: &str| ctx.arn("lambda", format!("function:{}:{qualifier}", row.function));
    let outside: Vec<Value> = row
        .outside
        .iter()
        .map(|rule| to_document(&crate::operations::shown_outside(rule)))
        .collect();
    let rules = serde_json::to_value(&row.rules).unwrap_or_default();
    let rules: Option<shapes::Rules> = from_document(&rules).ok();
    let input = json!({
        "Name": name,
        "Target": {"FunctionArn": arn(&row.alias)},
        "Candidate": {"FunctionArn": arn(&row.to)},
        "SampleShare": share,
        "Rules": rules.map(|rules| to_document(&rules)),
        "Limits": {
            "TimeBudgetMs": row.limits.budget_ms,
            "ConcurrencyMax": row.limits.concurrency,
            "WaitingMax": row.limits.waiting_max,
        },
        "Outside": outside,
        "AcceptLeaks": row.accept_leaks,
        "ClientToken": row.id,
    });
    call(ctx, "StartDarkRun", input).await?;
    // If it was there already, it may have had another share.
    call(ctx, "UpdateDarkRun", json!({"Name": name, "SampleShare": share})).await
}

async fn stop_dark(ctx: &Context, key: &RunKey, row: &ReleaseRow) -> Result<(), ServiceError> {
    if dark_run(ctx.kernel(), key, row).await?.is_none() {
        return Ok(());
    }
    call(ctx, "StopDarkRun", json!({"Name": run_name(&key.2)})).await
}

async fn call(ctx: &Context, operation: &str, input: Value) -> Result<(), ServiceError> {
    ctx.kernel().call(ctx, "release", operation, &input).await.map(drop)
}
