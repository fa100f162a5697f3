//! When alarms are looked at: a task for each metric alarm, once in a minute or, with short periods, every ten
//! seconds; and one for the composite alarms of an account and region, whenever a state has changed there.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use serde_json::json;
use undercast_kernel::service::TaskSpec;
use undercast_kernel::{Context, Kernel, ServiceError};
use undercast_smithy::Timestamp;
use undercast_store::{Backoff, Outcome, Task, TaskError, Tx};

use super::judge::{Comparison, FURTHER_PERIODS, Rule, Treatment, judge};
use super::{ALARM, AlarmRow, OK, State, change_state, forget, rule, spawn, text_key};
use crate::CloudWatch;
use crate::api::cloudwatch::shapes::MetricAlarm;
use crate::limits::{ALARMS_MAX, HISTORY_MS};
use crate::queries;
use crate::series::{Series, Statistic, Wanted, Window, statistic};
use crate::store::{ALARMS, AlarmKey};

const METRIC: &str = "cloudwatch.alarm";
const COMPOSITES: &str = "cloudwatch.composites";
const FORGET: &str = "cloudwatch.forget";
const PRINCIPAL: &str = "cloudwatch.amazonaws.com";

pub(crate) fn tasks(cloudwatch: &Arc<CloudWatch>) -> [TaskSpec; 3] {
    let backoff = Backoff { first: Duration::from_secs(1), max: Duration::from_secs(60) };
    let cloudwatch = Arc::clone(cloudwatch);
    let metric = Arc::new(move |kernel, task| {
        let cloudwatch = Arc::clone(&cloudwatch);
        async move { run_metric(&cloudwatch, kernel, task).await }.boxed()
    });
    let composites = Arc::new(|kernel, task| run_composites(kernel, task).boxed());
    let forget = Arc::new(|kernel, task| run_forget(kernel, task).boxed());
    [
        TaskSpec { name: METRIC, concurrency: 4, attempts_max: 0, backoff, run: metric },
        TaskSpec { name: COMPOSITES, concurrency: 2, attempts_max: 0, backoff, run: composites },
        TaskSpec { name: FORGET, concurrency: 1, attempts_max: 0, backoff, run: forget },
    ]
}

/// From now on the alarm is looked at.
pub(crate) fn spawn_metric(tx: &Tx, key: &AlarmKey, row: &AlarmRow) -> Result<(), ServiceError> {
    spawn(tx, METRIC, text_key(key), tx.now_ms(), &json!((key, row.number)))
}

pub(crate) fn spawn_composites(tx: &Tx, key: &AlarmKey) -> Result<(), ServiceError> {
    let scope = json!((&key.0, &key.1));
    spawn(tx, COMPOSITES, scope.to_string().into_bytes(), tx.now_ms(), &scope)
}

/// The alarm is deleted: it is not looked at any more, and its history goes when it is old.
pub(crate) fn spawn_forget(tx: &Tx, key: &AlarmKey) -> Result<(), ServiceError> {
    tx.cancel(METRIC, &text_key(key))?;
    spawn(tx, FORGET, text_key(key), tx.now_ms() + HISTORY_MS, &json!(key))
}

async fn run_metric(
    cloudwatch: &CloudWatch,
    kernel: Kernel,
    task: Task,
) -> Result<Outcome, TaskError> {
    let (key, number): (AlarmKey, u64) =
        serde_json::from_slice(&task.payload).map_err(TaskError::fatal)?;
    let row = ALARMS.read(kernel.db(), &key).await?;
    let Some(row) = row.filter(|row| row.number == number) else {
        return Ok(Outcome::Done);
    };
    let ctx = kernel.service_context(PRINCIPAL, &key.0, &key.1);
    cloudwatch.gatherer.flush().await.map_err(TaskError::new)?;
    let alarm = row.metric(&key).map_err(TaskError::new)?;
    let state = state_of(&ctx, &alarm).await.map_err(TaskError::new)?;
    if let Some(state) = state.filter(|state| state.value != row.state) {
        let changed = kernel.db().transact(|tx| {
            let (key, state) = (key.clone(), state.clone());
            let configured_ms = row.configured_ms;
            async move {
                // Whoever put it again meanwhile has spawned another look.
                match ALARMS.get(&tx, &key).await? {
                    Some(row) if row.number == number && row.configured_ms == configured_ms => {
                        change_state(&tx, &key, row, state).await
                    }
                    _ => Ok::<_, ServiceError>(()),
                }
            }
        });
        changed.await.map_err(TaskError::new)?;
    }
    let interval = interval(&alarm) * 1000;
    let due_ms = (ctx.now_ms().div_euclid(interval) + 1) * interval;
    Ok(Outcome::Again { due_ms, payload: None })
}

/// How many seconds lie between two looks.
fn interval(alarm: &MetricAlarm) -> i64 {
    let periods = alarm.metrics.iter().flatten();
    let periods = periods.filter_map(|query| query.metric_stat.as_ref().map(|stat| stat.period));
    match alarm.period.or(periods.max()) {
        Some(..60) => 10,
        _ => 60,
    }
}

fn count(given: Option<i32>) -> usize {
    given.and_then(|count| usize::try_from(count).ok()).unwrap_or(1).max(1)
}

/// How the alarm judges, out of what it was put with.
pub(crate) fn rule_of(alarm: &MetricAlarm) -> Option<Rule> {
    let periods = count(alarm.evaluation_periods);
    Some(Rule {
        comparison: Comparison::parse(alarm.comparison_operator.as_deref()?)?,
        threshold: alarm.threshold?,
        needed: alarm.datapoints_to_alarm.map_or(periods, |needed| count(Some(needed))),
        periods,
        missing: Treatment::parse(alarm.treat_missing_data.as_deref().unwrap_or("missing"))?,
    })
}

async fn state_of(ctx: &Context, alarm: &MetricAlarm) -> Result<Option<State>, ServiceError> {
    let Some(mut rule) = rule_of(alarm) else {
        return Err(ServiceError::internal("an alarm that cannot be evaluated was kept"));
    };
    // DynamoDB's metrics are only there while a table is used.
    if alarm.namespace.as_deref() == Some("AWS/DynamoDB") {
        rule.missing = Treatment::Ignore;
    }
    let looked_at = i64::try_from(rule.periods + FURTHER_PERIODS).unwrap_or(i64::MAX);
    let now_s = ctx.now_ms().div_euclid(1000);
    let (start, period, series) = match &alarm.metrics {
        None => {
            let period = i64::from(alarm.period.unwrap_or(60));
            let grain = interval(alarm).min(period);
            let end = now_s - now_s.rem_euclid(grain);
            let window = Window { start: end - looked_at * period, end, period };
            (window.start, period, of_metric(ctx, alarm, window).await?)
        }
        Some(queries) => {
            let checked = queries::check(queries)?;
            let period = checked.period;
            let end = now_s - now_s.rem_euclid(period);
            let start = end - looked_at * period;
            let mut all = checked.evaluate(ctx, start, end).await?;
            let shown = queries.iter().find(|query| query.return_data != Some(false));
            (start, period, shown.and_then(|query| all.remove(&query.id)).unwrap_or_default())
        }
    };
    let points: Vec<_> = (0..looked_at)
        .map(|place| start + place * period)
        .map(|at| (at, series.get(&at).copied()))
        .collect();
    Ok(judge(&rule, &points, ctx.now_ms()))
}

async fn of_metric(
    ctx: &Context,
    alarm: &MetricAlarm,
    window: Window,
) -> Result<Series, ServiceError> {
    let wanted = Wanted {
        namespace: alarm.namespace.as_deref().unwrap_or_default(),
        name: alarm.metric_name.as_deref().unwrap_or_default(),
        dimensions: alarm.dimensions.as_ref(),
        unit: alarm.unit.as_deref(),
    };
    let name = alarm.statistic.as_deref().or(alarm.extended_statistic.as_deref());
    let of = Statistic::of_query(name.unwrap_or_default())?;
    statistic(ctx, wanted, window, of).await
}

async fn run_composites(kernel: Kernel, task: Task) -> Result<Outcome, TaskError> {
    let scope: (String, String) =
        serde_json::from_slice(&task.payload).map_err(TaskError::fatal)?;
    let rows = ALARMS.list(kernel.db(), ALARMS.prefix(&scope), ALARMS_MAX, false).await?;
    let states: BTreeMap<_, _> =
        rows.iter().map(|(key, row)| (key.2.clone(), row.state.clone())).collect();
    for (key, row) in rows.into_iter().filter(|(_, row)| row.is_composite) {
        let composite = row.composite(&key).map_err(TaskError::new)?;
        let text = composite.alarm_rule.unwrap_or_default();
        let rule = rule::Rule::parse(&text).map_err(TaskError::new)?;
        let value = match rule.holds(&|name| states.get(name).cloned()) {
            true => ALARM,
            false => OK,
        };
        if value == row.state {
            continue;
        }
        let at = Timestamp::from_millis(kernel.env().clock.now_ms());
        let reason = format!(
            "AlarmRule {text} evaluated to {} at {}",
            value == ALARM,
            at.format("%A %d %B, %Y %H:%M:%S UTC")
        );
        let reason = reason.chars().take(1_023).collect();
        let state = State { value: value.to_owned(), reason, data: None };
        let changed = kernel.db().transact(|tx| {
            let (key, state) = (key.clone(), state.clone());
            let configured_ms = row.configured_ms;
            async move {
                // A change spawns the next look, at those that follow this one.
                match ALARMS.get(&tx, &key).await? {
                    Some(row) if row.configured_ms == configured_ms => {
                        change_state(&tx, &key, row, state).await
                    }
                    _ => Ok::<_, ServiceError>(()),
                }
            }
        });
        changed.await.map_err(TaskError::new)?;
    }
    Ok(Outcome::Done)
}

async fn run_forget(kernel: Kernel, task: Task) -> Result<Outcome, TaskError> {
    let key: AlarmKey = serde_json::from_slice(&task.payload).map_err(TaskError::fatal)?;
    let is_done = kernel.db().transact(|tx| {
        let key = key.clone();
        async move { forget(&tx, &key).await }
    });
    match is_done.await.map_err(TaskError::new)? {
        true => Ok(Outcome::Done),
        false => Ok(Outcome::Again { due_ms: kernel.env().clock.now_ms(), payload: None }),
    }
}
