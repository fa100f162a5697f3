//! One file for each operation; what several of them share is here.

mod advance_release;
mod delete_dark_run;
mod delete_release;
mod describe_dark_run;
mod describe_difference;
mod describe_release;
mod hold_release;
mod list_dark_runs;
mod list_differences;
mod list_releases;
mod pause_dark_run;
mod replay_difference;
mod replay_recording;
mod resume_dark_run;
mod resume_release;
mod roll_back_release;
mod start_dark_run;
mod start_release;
mod stop_dark_run;
mod update_dark_run;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use undercast_kernel::{Access, Arn, Context, OutsideAction, OutsideRule, ServiceError};
use undercast_smithy::Timestamp;
use undercast_smithy::document::{from_document, to_document};
use undercast_store::Tx;

use crate::Release;
use crate::api::release::shapes;
use crate::compare::{Difference, Kind, Rules, Severity};
use crate::error::{conflict, invalid, no_release, no_run};
use crate::gate::{Gate, LatencyGate};
use crate::ladder::{self, Command, OnFail, Phase, Plan, StepKind};
use crate::ledger::Entry;
use crate::releases::{drive, run_name, spawn_step};
use crate::runs::Passage;
use crate::store::{
    CandidateRow, LimitsRow, PASSAGES, RELEASES, RUNS, RecordingRow, ReleaseRow, RunKey, RunRow,
    RunState, TargetRow, WATCHED,
};

const BUDGET_MS: u64 = 30_000;
const CONCURRENCY: usize = 2;
const WAITING: i32 = 64;
const WAITING_LIMIT: i32 = 10_000;
const RECORDED_MAX: i32 = 10_000;
const HOURS_MAX: i32 = 31 * 24;

fn access(ctx: &Context, action: &str, name: &str) -> Vec<Access> {
    vec![Access::new(format!("undercast-release:{action}"), arn(ctx, name))]
}

fn arn(ctx: &Context, name: &str) -> String {
    ctx.arn("undercast-release", format!("dark-run/{name}"))
}

pub(crate) fn key(ctx: &Context, name: &str) -> RunKey {
    (ctx.account().to_owned(), ctx.region().to_owned(), name.to_owned())
}

async fn existing(tx: &Tx, key: &RunKey) -> Result<RunRow, ServiceError> {
    RUNS.get(tx, key).await?.ok_or_else(|| no_run(&key.2))
}

/// Reads what is to be watched, and sees to it that it exists.
async fn target(ctx: &Context, target: shapes::Target) -> Result<TargetRow, ServiceError> {
    let wrong = || {
        invalid(
            "Target: name either FunctionArn, or ApiId and Stage (and Route), or EventSourceMapping",
        )
    };
    match target {
        shapes::Target {
            function_arn: Some(arn),
            api_id: None,
            stage: None,
            route: None,
            event_source_mapping: None,
        } => {
            let parsed = Arn::parse(&arn).filter(|arn| arn.service == "lambda");
            let resource = parsed.as_ref().map(|arn| arn.resource.clone()).unwrap_or_default();
            let parts: Vec<&str> = resource.split(':').collect();
            let (["function", name, alias], Some(parsed)) = (parts.as_slice(), &parsed) else {
                return Err(invalid(format!(
                    "Target.FunctionArn: {arn} is not the ARN of an alias"
                )));
            };
            let input = json!({"FunctionName": name, "Name": alias});
            call(ctx, "lambda", "GetAlias", input)
                .await
                .map_err(|error| missing("Target", &error))?;
            let function = format!("function:{name}");
            let function = Arn::new("lambda", &parsed.region, &parsed.account, function);
            Ok(TargetRow::Alias { function: function.to_string(), alias: (*alias).to_owned() })
        }
        shapes::Target {
            function_arn: None,
            api_id: Some(api),
            stage: Some(stage),
            route,
            event_source_mapping: None,
        } => {
            stage_exists(ctx, "Target", &api, &stage).await?;
            Ok(TargetRow::Stage { api, stage, route })
        }
        shapes::Target {
            function_arn: None,
            api_id: None,
            stage: None,
            route: None,
            event_source_mapping: Some(uuid),
        } => {
            call(ctx, "lambda", "GetEventSourceMapping", json!({"UUID": uuid}))
                .await
                .map_err(|error| missing("Target", &error))?;
            Ok(TargetRow::Mapping { uuid })
        }
        _ => Err(wrong()),
    }
}

/// Reads who is to be tried, and sees to it that it exists and fits the target.
async fn candidate(
    ctx: &Context,
    candidate: shapes::Candidate,
    target: &TargetRow,
) -> Result<CandidateRow, ServiceError> {
    let is_door = matches!(target, TargetRow::Stage { .. });
    match candidate {
        shapes::Candidate {
            function_arn: Some(arn), api_id: None, stage: None, url: None, ..
        } => {
            let input = json!({"FunctionName": arn});
            call(ctx, "lambda", "GetFunctionConfiguration", input)
                .await
                .map_err(|error| missing("Candidate", &error))?;
            Ok(CandidateRow::Function { arn })
        }
        shapes::Candidate {
            function_arn: None,
            api_id: Some(api),
            stage: Some(stage),
            url: None,
            ..
        } if is_door => {
            stage_exists(ctx, "Candidate", &api, &stage).await?;
            Ok(CandidateRow::Api { api, stage })
        }
        shapes::Candidate {
            function_arn: None,
            api_id: None,
            stage: None,
            url: Some(url),
            is_safe,
        } if is_door => {
            let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
            if rest.is_none_or(|rest| rest.is_empty() || rest.starts_with('/')) {
                return Err(invalid(format!(
                    "Candidate.Url: {url} is not an HTTP or HTTPS address"
                )));
            }
            Ok(CandidateRow::Url { url, is_safe: is_safe.unwrap_or(false) })
        }
        _ if is_door => {
            Err(invalid("Candidate: name either FunctionArn, or ApiId and Stage, or Url"))
        }
        _ => Err(invalid("Candidate: name FunctionArn; events can be given to functions only")),
    }
}

async fn stage_exists(
    ctx: &Context,
    field: &str,
    api: &str,
    stage: &str,
) -> Result<(), ServiceError> {
    let input = json!({"ApiId": api, "StageName": stage});
    let found = call(ctx, "apigatewayv2", "GetStage", input).await;
    found.map(drop).map_err(|error| missing(field, &error))
}

fn missing(field: &str, error: &ServiceError) -> ServiceError {
    invalid(format!("{field}: {}", error.message()))
}

pub(crate) async fn call(
    ctx: &Context,
    service: &str,
    operation: &str,
    input: Value,
) -> Result<Value, ServiceError> {
    ctx.kernel().call(ctx, service, operation, &input).await
}

fn rules(rules: Option<shapes::Rules>) -> Result<Rules, ServiceError> {
    let Some(rules) = rules else { return Ok(Rules::default()) };
    let parsed: Rules = serde_json::from_value(without_nulls(to_document(&rules)))
        .map_err(|error| invalid(format!("Rules: {error}")))?;
    parsed.compile().map_err(|error| invalid(format!("Rules.{error}")))?;
    Ok(parsed)
}

fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let kept = fields.into_iter().filter(|(_, value)| !value.is_null());
            kept.map(|(name, value)| (name, without_nulls(value))).collect::<Map<_, _>>().into()
        }
        other => other,
    }
}

fn limits(limits: Option<shapes::Limits>) -> Result<LimitsRow, ServiceError> {
    let limits = limits.unwrap_or_default();
    let waiting = limits.waiting_max.unwrap_or(WAITING);
    if !(0..=WAITING_LIMIT).contains(&waiting) {
        return Err(invalid(format!("Limits.WaitingMax: from 0 to {WAITING_LIMIT}")));
    }
    let positive = |value: Option<i32>| value.and_then(|value| u64::try_from(value).ok());
    Ok(LimitsRow {
        budget_ms: positive(limits.time_budget_ms).unwrap_or(BUDGET_MS),
        concurrency: positive(limits.concurrency_max)
            .and_then(|n| usize::try_from(n).ok())
            .unwrap_or(CONCURRENCY),
        waiting_max: usize::try_from(waiting).unwrap_or_default(),
    })
}

fn recording(recording: Option<shapes::Recording>) -> Result<Option<RecordingRow>, ServiceError> {
    let Some(recording) = recording else { return Ok(None) };
    let bounded = |name: &str, value: Option<i32>, default: i32, max: i32| {
        let value = value.unwrap_or(default);
        match u64::try_from(value) {
            Ok(found) if (1..=max).contains(&value) => Ok(found),
            _ => Err(invalid(format!("Recording.{name}: from 1 to {max}"))),
        }
    };
    Ok(Some(RecordingRow {
        pairs_max: bounded("PairsMax", recording.pairs_max, 1_000, RECORDED_MAX)?,
        hours: bounded("Hours", recording.hours, 24, HOURS_MAX)?,
    }))
}

fn outside(rules: Option<Vec<shapes::OutsideRule>>) -> Result<Vec<OutsideRule>, ServiceError> {
    rules
        .unwrap_or_default()
        .into_iter()
        .map(|rule| {
            let host = rule.host.to_ascii_lowercase();
            let is_host = !host.is_empty() && !host.contains(['/', ':', ' ']);
            let star = host.rfind('*');
            if !is_host
                || star.is_some_and(|at| at > 0)
                || (host.len() > 1 && host.starts_with('*') && !host.starts_with("*."))
            {
                let host = &rule.host;
                return Err(invalid(format!("Outside.Host: {host}: a host name, *.name or *")));
            }
            let action = match rule.action.as_str() {
                "Allow" => OutsideAction::Allow,
                "Repeat" if star.is_some() => {
                    let host = &rule.host;
                    return Err(invalid(format!("Outside.Host: {host}: Repeat takes a host name")));
                }
                "Repeat" => OutsideAction::Repeat,
                "Answer" => OutsideAction::Answer {
                    status: rule
                        .status
                        .and_then(|status| u16::try_from(status).ok())
                        .filter(|status| (100..600).contains(status))
                        .unwrap_or(200),
                    headers: rule.headers.unwrap_or_default().into_iter().collect(),
                    body: rule.body.unwrap_or_default(),
                },
                _ => OutsideAction::Refuse,
            };
            Ok(OutsideRule { host, action })
        })
        .collect()
}

fn shown_target(row: &TargetRow) -> shapes::Target {
    let mut shown = shapes::Target::default();
    match row {
        TargetRow::Alias { function, alias } => {
            shown.function_arn = Some(format!("{function}:{alias}"));
        }
        TargetRow::Stage { api, stage, route } => {
            shown.api_id = Some(api.clone());
            shown.stage = Some(stage.clone());
            shown.route.clone_from(route);
        }
        TargetRow::Mapping { uuid } => shown.event_source_mapping = Some(uuid.clone()),
    }
    shown
}

fn shown_candidate(row: &CandidateRow) -> shapes::Candidate {
    let mut shown = shapes::Candidate::default();
    match row {
        CandidateRow::Function { arn } => shown.function_arn = Some(arn.clone()),
        CandidateRow::Api { api, stage } => {
            shown.api_id = Some(api.clone());
            shown.stage = Some(stage.clone());
        }
        CandidateRow::Url { url, is_safe } => {
            shown.url = Some(url.clone());
            shown.is_safe = Some(*is_safe);
        }
    }
    shown
}

pub(crate) fn shown_outside(rule: &OutsideRule) -> shapes::OutsideRule {
    let mut shown = shapes::OutsideRule { host: rule.host.clone(), ..Default::default() };
    match &rule.action {
        OutsideAction::Refuse => shown.action = "Refuse".to_owned(),
        OutsideAction::Allow => shown.action = "Allow".to_owned(),
        OutsideAction::Repeat => shown.action = "Repeat".to_owned(),
        OutsideAction::Answer { status, headers, body } => {
            shown.action = "Answer".to_owned();
            shown.status = Some(i32::from(*status));
            shown.headers = Some(headers.iter().cloned().collect::<BTreeMap<_, _>>());
            shown.body = Some(body.clone());
        }
    }
    shown
}

fn small(value: u64) -> Option<i32> {
    i32::try_from(value).ok()
}

/// A run as callers see it, without its summary.
fn shown(ctx: &Context, name: &str, row: &RunRow) -> shapes::DarkRun {
    let rules = serde_json::to_value(&row.rules).ok();
    shapes::DarkRun {
        name: Some(name.to_owned()),
        arn: Some(arn(ctx, name)),
        state: Some(row.state.name().to_owned()),
        state_reason: Some(row.reason.clone()).filter(|reason| !reason.is_empty()),
        target: Some(shown_target(&row.target)),
        candidate: Some(shown_candidate(&row.candidate)),
        sample_share: Some(row.share),
        rules: rules.and_then(|rules| from_document(&rules).ok()),
        limits: Some(shapes::Limits {
            time_budget_ms: small(row.limits.budget_ms),
            concurrency_max: small(row.limits.concurrency as u64),
            waiting_max: small(row.limits.waiting_max as u64),
        }),
        outside: Some(row.outside.iter().map(shown_outside).collect()),
        recording: row.recording.as_ref().map(|recording| shapes::Recording {
            pairs_max: small(recording.pairs_max),
            hours: small(recording.hours),
        }),
        accept_leaks: Some(row.accept_leaks),
        created: Some(Timestamp::from_millis(row.created_ms)),
        changed: Some(Timestamp::from_millis(row.changed_ms)),
        summary: None,
    }
}

impl Release {
    /// A run as it is now, with everything written that was counted.
    async fn current(&self, ctx: &Context, name: &str) -> Result<(RunKey, RunRow), ServiceError> {
        let key = key(ctx, name);
        self.watcher.flush(&key).await?;
        let row = RUNS.read(ctx.store(), &key).await?.ok_or_else(|| no_run(name))?;
        Ok((key, row))
    }

    /// Changes the state of a run; nothing happens where it is in that state already.
    async fn set_state(
        &self,
        ctx: Context,
        name: String,
        state: RunState,
        reason: &'static str,
    ) -> Result<shapes::DarkRun, ServiceError> {
        let key = key(&ctx, &name);
        self.watcher.flush(&key).await?;
        let row = ctx
            .transact((key, state, reason), |tx, _, input| async move {
                let (key, state, reason) = &*input;
                let mut row = existing(&tx, key).await?;
                if row.state == RunState::Stopped && *state != RunState::Stopped {
                    let name = &key.2;
                    return Err(conflict(format!("The dark run {name} has been stopped.")));
                }
                if row.state != *state {
                    row.state = *state;
                    (*reason).clone_into(&mut row.reason);
                    row.revision += 1;
                    row.changed_ms = tx.now_ms();
                    RUNS.put(&tx, key, &row)?;
                    if *state == RunState::Stopped {
                        WATCHED.delete(&tx, &row.target.guard(key))?;
                    }
                }
                Ok(row)
            })
            .await?;
        self.watcher.reload().await?;
        Ok(shown(&ctx, &name, &row))
    }
}

fn long(value: u64) -> Option<i64> {
    i64::try_from(value).ok()
}

/// The passage that a sample names, if it was small enough to be kept.
async fn passage(tx: &Tx, run: &str, pair: &str) -> Result<Option<Passage>, ServiceError> {
    let row = PASSAGES.get(tx, &(run.to_owned(), pair.to_owned())).await?;
    Ok(row.and_then(|row| Passage::decode(&row.passage)))
}

fn shown_kind_of(kind: &Kind, severity: Severity, count: u64) -> shapes::DifferenceKind {
    shapes::DifferenceKind {
        id: Some(kind.id()),
        part: Some(kind.part.name().to_owned()),
        class: Some(kind.class.name().to_owned()),
        place: Some(kind.place.clone()),
        severity: Some(severity_name(severity)),
        description: Some(kind.description()),
        count: long(count),
        first_seen: None,
        last_seen: None,
    }
}

fn shown_kind(entry: &Entry) -> shapes::DifferenceKind {
    shapes::DifferenceKind {
        first_seen: Some(Timestamp::from_millis(entry.first_ms)),
        last_seen: Some(Timestamp::from_millis(entry.last_ms)),
        ..shown_kind_of(&entry.kind, entry.severity, entry.pairs)
    }
}

fn shown_difference(difference: &Difference) -> shapes::Difference {
    let text = |value: &Option<Value>| value.as_ref().map(Value::to_string);
    shapes::Difference {
        part: Some(difference.kind.part.name().to_owned()),
        class: Some(difference.kind.class.name().to_owned()),
        place: Some(difference.kind.place.clone()),
        severity: Some(severity_name(difference.severity)),
        description: Some(difference.kind.description()),
        primary: text(&difference.primary),
        candidate: text(&difference.candidate),
        times: i32::try_from(difference.times).ok(),
    }
}

fn severity_name(severity: Severity) -> String {
    match severity {
        Severity::Count => "Count".to_owned(),
        Severity::Inform => "Inform".to_owned(),
    }
}

fn release_access(ctx: &Context, action: &str, name: &str) -> Vec<Access> {
    vec![Access::new(format!("undercast-release:{action}"), release_arn(ctx, name))]
}

fn release_arn(ctx: &Context, name: &str) -> String {
    ctx.arn("undercast-release", format!("release/{name}"))
}

/// A plan from a preset or from steps; a preset with steps in front of it goes dark first.
fn plan(
    steps: Option<Vec<shapes::Step>>,
    preset: Option<String>,
    on_failure: Option<&str>,
) -> Result<Plan, ServiceError> {
    let mut all: Vec<ladder::Step> =
        steps.unwrap_or_default().into_iter().map(step).collect::<Result<_, _>>()?;
    if let Some(preset) = preset {
        let known = Plan::PREDEFINED.join(", ");
        let found = Plan::predefined(&preset)
            .ok_or_else(|| invalid(format!("Preset: {preset} is not one of {known}")))?;
        all.extend(found.steps);
    }
    let on_fail = match on_failure {
        Some("Hold") => OnFail::Hold,
        _ => OnFail::RollBack,
    };
    let plan = Plan { steps: all, on_fail };
    plan.check().map_err(|why| invalid(format!("Steps: {why}")))?;
    Ok(plan)
}

fn step(step: shapes::Step) -> Result<ladder::Step, ServiceError> {
    let kind = match (step.kind.as_str(), step.share) {
        ("Dark", share) => StepKind::Dark { share: share.unwrap_or(1.0) },
        ("Canary", Some(weight)) => StepKind::Canary { weight },
        ("Canary", None) => return Err(invalid("Steps: a canary step names its Share")),
        _ => StepKind::Everybody,
    };
    let gates = step.gates.unwrap_or_default();
    let defaults = LatencyGate::default();
    let unsigned = |value: Option<i64>| value.and_then(|value| u64::try_from(value).ok());
    Ok(ladder::Step {
        kind,
        duration_s: unsigned(step.duration_seconds).unwrap_or(0),
        alarms: gates.alarms.unwrap_or_default(),
        gate: Gate {
            sample_min: unsigned(gates.sample_min).unwrap_or(0),
            match_rate_min: gates.match_rate_min,
            error_rate_max: gates.error_rate_max,
            error_rate_over_primary_max: gates.error_rate_over_primary_max,
            executed_share_min: gates.executed_share_min,
            latency: gates.latency.map(|latency| LatencyGate {
                confidence: latency.confidence.unwrap_or(defaults.confidence),
                effect_max: latency.effect_max.unwrap_or(defaults.effect_max),
                median_shift_ms: latency.median_shift_ms.unwrap_or(defaults.median_shift_ms),
                sample_min: unsigned(latency.sample_min).unwrap_or(defaults.sample_min),
            }),
        },
    })
}

fn shown_step(step: &ladder::Step) -> shapes::Step {
    let (kind, share) = named_kind(step.kind);
    let gate = &step.gate;
    shapes::Step {
        kind,
        share,
        duration_seconds: long(step.duration_s),
        gates: Some(shapes::Gates {
            match_rate_min: gate.match_rate_min,
            error_rate_max: gate.error_rate_max,
            error_rate_over_primary_max: gate.error_rate_over_primary_max,
            executed_share_min: gate.executed_share_min,
            sample_min: long(gate.sample_min),
            latency: gate.latency.as_ref().map(|latency| shapes::LatencyGate {
                confidence: Some(latency.confidence),
                effect_max: Some(latency.effect_max),
                median_shift_ms: Some(latency.median_shift_ms),
                sample_min: long(latency.sample_min),
            }),
            alarms: Some(step.alarms.clone()).filter(|alarms| !alarms.is_empty()),
        }),
    }
}

fn named_kind(kind: StepKind) -> (String, Option<f64>) {
    match kind {
        StepKind::Dark { share } => ("Dark".to_owned(), Some(share)),
        StepKind::Canary { weight } => ("Canary".to_owned(), Some(weight)),
        StepKind::Everybody => ("Everybody".to_owned(), None),
    }
}

/// `RUNNING`, `HELD`, `PROMOTED`, `ROLLED_BACK`, `FINISHED`.
pub(crate) fn release_state(row: &ReleaseRow) -> &'static str {
    match row.state.phase {
        Phase::NotStarted | Phase::Running => "RUNNING",
        Phase::Held { .. } => "HELD",
        Phase::Promoted => "PROMOTED",
        Phase::RolledBack => "ROLLED_BACK",
        Phase::Finished => "FINISHED",
    }
}

/// A release as callers see it.
fn shown_release(ctx: &Context, name: &str, row: &ReleaseRow) -> shapes::Release {
    let is_waiting = row.state.phase == Phase::Running;
    let reports = row.reports.iter().map(|report| {
        let kind = row.plan.steps.get(report.step).map(|step| named_kind(step.kind));
        let (kind, share) = kind.unwrap_or_default();
        shapes::StepReport {
            kind: Some(kind),
            share,
            began: Some(Timestamp::from_millis(report.began_ms)),
            ended: report.ended_ms.map(Timestamp::from_millis),
            outcome: Some(report.outcome.clone()).filter(|outcome| !outcome.is_empty()),
            waits: None,
        }
    });
    shapes::Release {
        name: Some(name.to_owned()),
        arn: Some(release_arn(ctx, name)),
        function_name: Some(row.function.clone()),
        alias: Some(row.alias.clone()),
        from_version: Some(row.from.clone()),
        to_version: Some(row.to.clone()),
        state: Some(release_state(row).to_owned()),
        state_reason: (!is_waiting).then(|| row.state.reasons.join("; ")),
        step_index: i32::try_from(row.state.step).ok(),
        steps: Some(row.plan.steps.iter().map(shown_step).collect()),
        reports: Some(reports.collect()),
        waits: is_waiting.then(|| row.state.reasons.clone()),
        on_failure: Some(
            match row.plan.on_fail {
                OnFail::RollBack => "RollBack",
                OnFail::Hold => "Hold",
            }
            .to_owned(),
        ),
        dark_run: row
            .plan
            .steps
            .iter()
            .any(|step| matches!(step.kind, StepKind::Dark { .. }))
            .then(|| run_name(name)),
        created: Some(Timestamp::from_millis(row.created_ms)),
        changed: Some(Timestamp::from_millis(row.changed_ms)),
    }
}

impl Release {
    /// Does what an operator says.
    async fn command(
        &self,
        ctx: Context,
        name: String,
        command: Command,
        reason: Option<String>,
    ) -> Result<shapes::Release, ServiceError> {
        let key = key(&ctx, &name);
        let before = RELEASES.read(ctx.store(), &key).await?.ok_or_else(|| no_release(&name))?;
        if before.state.is_final() {
            let state = release_state(&before);
            return Err(conflict(format!("The release {name} is over: {state}.")));
        }
        let reason = reason.unwrap_or_default();
        let row = drive(ctx.kernel(), &self.moves, &key, Some(command), &reason).await?;
        self.wake(&ctx, &key).await?;
        self.watcher.reload().await?;
        Ok(shown_release(&ctx, &name, &row))
    }

    /// The task of a release looks when it has to, from now on.
    async fn wake(&self, ctx: &Context, key: &RunKey) -> Result<(), ServiceError> {
        ctx.transact(key.clone(), |tx, _, key| async move {
            let now_ms = tx.now_ms();
            spawn_step(&tx, &key, now_ms)
        })
        .await
    }
}
