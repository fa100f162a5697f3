//! One file for each operation; what several of them share is here.

mod delete_dark_run;
mod describe_dark_run;
mod describe_difference;
mod list_dark_runs;
mod list_differences;
mod pause_dark_run;
mod replay_difference;
mod replay_recording;
mod resume_dark_run;
mod start_dark_run;
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
use crate::error::{invalid, no_run};
use crate::ledger::Entry;
use crate::runs::Passage;
use crate::store::{
    CandidateRow, LimitsRow, PASSAGES, RUNS, RecordingRow, RunKey, RunRow, RunState, TargetRow,
    WATCHED,
};

const BUDGET_MS: u64 = 30_000;
const CONCURRENCY: usize = 2;
const WAITING_MAX: usize = 64;
const WAITING_LIMIT: i32 = 10_000;
const RECORDED_MAX: i32 = 10_000;
const HOURS_MAX: i32 = 31 * 24;

fn access(ctx: &Context, action: &str, name: &str) -> Vec<Access> {
    vec![Access::new(format!("undercast-release:{action}"), arn(ctx, name))]
}

fn arn(ctx: &Context, name: &str) -> String {
    ctx.arn("undercast-release", format!("dark-run/{name}"))
}

fn key(ctx: &Context, name: &str) -> RunKey {
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

async fn call(
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
    let waiting = limits.waiting_max.unwrap_or(WAITING_LIMIT.min(WAITING_MAX as i32));
    if !(0..=WAITING_LIMIT).contains(&waiting) {
        return Err(invalid(format!("Limits.WaitingMax: from 0 to {WAITING_LIMIT}")));
    }
    let positive = |value: Option<i32>| value.and_then(|value| u64::try_from(value).ok());
    Ok(LimitsRow {
        budget_ms: positive(limits.time_budget_ms).unwrap_or(BUDGET_MS),
        concurrency: positive(limits.concurrency_max)
            .and_then(|n| usize::try_from(n).ok())
            .unwrap_or(CONCURRENCY),
        waiting_max: usize::try_from(waiting).unwrap_or(WAITING_MAX),
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

fn shown_outside(rule: &OutsideRule) -> shapes::OutsideRule {
    let mut shown = shapes::OutsideRule { host: rule.host.clone(), ..Default::default() };
    match &rule.action {
        OutsideAction::Refuse => shown.action = "Refuse".to_owned(),
        OutsideAction::Allow => shown.action = "Allow".to_owned(),
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
                    return Err(crate::error::conflict(format!(
                        "The dark run {name} has been stopped."
                    )));
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
