//! CloudWatch alarms as gates.

use serde_json::{Value, json};
use undercast_kernel::{Context, Kernel, ServiceError};

use crate::error::invalid;
use crate::ladder::{Phase, Plan};
use crate::store::{ReleaseRow, RunKey};

/// How often alarms are looked at.
pub(super) const LOOK_MS: i64 = 1_000;

/// The alarms that the release minds now.
pub(super) fn minded(row: &ReleaseRow) -> &[String] {
    let step = row.plan.steps.get(row.state.step);
    match row.state.phase {
        Phase::NotStarted | Phase::Running => step.map_or(&[], |step| &step.alarms),
        _ => &[],
    }
}

/// Which of them has gone off, in words.
pub(super) async fn fault(
    kernel: &Kernel,
    key: &RunKey,
    row: &ReleaseRow,
) -> Result<Option<String>, ServiceError> {
    let names = minded(row);
    if names.is_empty() {
        return Ok(None);
    }
    let ctx = kernel.service_context("undercast-release.amazonaws.com", &key.0, &key.1);
    let states = states(&ctx, names).await?;
    let fault = names.iter().find_map(|name| {
        match states.iter().find(|(found, _)| found == name).map(|(_, state)| state.as_str()) {
            Some("ALARM") => Some(format!("the alarm {name} is in ALARM")),
            Some(_) => None,
            None => Some(format!("there is no alarm {name} any more")),
        }
    });
    Ok(fault)
}

/// Refuses a plan that minds an alarm that is not there.
pub(crate) async fn check(ctx: &Context, plan: &Plan) -> Result<(), ServiceError> {
    for step in plan.steps.iter().filter(|step| !step.alarms.is_empty()) {
        let states = states(ctx, &step.alarms).await?;
        let missing = step.alarms.iter().find(|name| !states.iter().any(|(n, _)| n == *name));
        if let Some(name) = missing {
            return Err(invalid(format!("Steps: there is no alarm {name}")));
        }
    }
    Ok(())
}

/// Names and states of those that are there.
async fn states(ctx: &Context, names: &[String]) -> Result<Vec<(String, String)>, ServiceError> {
    let input = json!({
        "AlarmNames": names, "AlarmTypes": ["MetricAlarm", "CompositeAlarm"], "MaxRecords": 100,
    });
    let found = ctx.kernel().call(ctx, "cloudwatch", "DescribeAlarms", &input).await?;
    let lists = ["MetricAlarms", "CompositeAlarms"];
    let alarms = lists.iter().filter_map(|list| found.get(list)?.as_array()).flatten();
    let text = |alarm: &Value, member: &str| {
        alarm.get(member).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    Ok(alarms.map(|alarm| (text(alarm, "AlarmName"), text(alarm, "StateValue"))).collect())
}
