//! `DescribeAlarms`: the alarms of an account and region with their states.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{alarm_access, alarm_key, page_size};
use crate::CloudWatch;
use crate::alarms::rule::Rule;
use crate::alarms::{AlarmRow, name_of};
use crate::api::cloudwatch::operations::DescribeAlarms;
use crate::api::cloudwatch::shapes::{DescribeAlarmsInput, DescribeAlarmsOutput};
use crate::error::invalid;
use crate::limits::ALARMS_MAX;
use crate::store::{ALARMS, AlarmKey};

impl Handler<DescribeAlarms> for CloudWatch {
    fn authorize(&self, ctx: &Context, input: &DescribeAlarmsInput) -> Vec<Access> {
        let all = "*".to_owned();
        let names: Vec<&String> = match input.alarm_names.as_deref() {
            None | Some([]) => vec![&all],
            Some(names) => names.iter().collect(),
        };
        alarm_access(ctx, "DescribeAlarms", &names)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: DescribeAlarmsInput,
    ) -> Result<DescribeAlarmsOutput, ServiceError> {
        if input.alarm_names.is_some() && input.alarm_name_prefix.is_some() {
            return Err(invalid("AlarmNames and AlarmNamePrefix must not be specified together."));
        }
        let rows = rows(&ctx, &input).await?;
        let related = related(&input, &rows)?;
        let types = input.alarm_types.as_deref().unwrap_or_default();
        let wants = |row: &AlarmRow| match row.is_composite {
            true => types.iter().any(|kind| kind == "CompositeAlarm"),
            false => types.is_empty() || types.iter().any(|kind| kind == "MetricAlarm"),
        };
        let prefix = input.alarm_name_prefix.as_deref().unwrap_or_default();
        let fits = |key: &AlarmKey, row: &AlarmRow| {
            let related = related.as_ref();
            let acts = |prefix: &str| {
                let states = ["OK", "ALARM", "INSUFFICIENT_DATA"];
                states.iter().flat_map(|s| row.actions(s)).any(|action| action.starts_with(prefix))
            };
            key.2.starts_with(prefix)
                && input.next_token.as_ref().is_none_or(|last| key.2 > *last)
                && input.alarm_names.as_ref().is_none_or(|names| names.contains(&key.2))
                && input.state_value.as_ref().is_none_or(|state| *state == row.state)
                && input.action_prefix.as_deref().is_none_or(acts)
                && related.map_or_else(|| wants(row), |names| names.contains(&key.2))
        };
        let mut found: Vec<_> = rows.iter().filter(|(key, row)| fits(key, row)).collect();
        let size = page_size(input.max_records);
        let more = found.len() > size;
        found.truncate(size);
        let next_token = found.last().filter(|_| more).map(|(key, _)| key.2.clone());
        let (mut metric_alarms, mut composite_alarms) = (Vec::new(), Vec::new());
        for (key, row) in found {
            match row.is_composite {
                true => composite_alarms.push(row.composite(key)?),
                false => metric_alarms.push(row.metric(key)?),
            }
        }
        Ok(DescribeAlarmsOutput {
            composite_alarms: Some(composite_alarms),
            metric_alarms: Some(metric_alarms),
            next_token,
        })
    }
}

async fn rows(
    ctx: &Context,
    input: &DescribeAlarmsInput,
) -> Result<Vec<(AlarmKey, AlarmRow)>, ServiceError> {
    let is_related =
        input.children_of_alarm_name.is_some() || input.parents_of_alarm_name.is_some();
    if let Some(names) = input.alarm_names.as_ref().filter(|_| !is_related) {
        let mut rows = Vec::with_capacity(names.len());
        let names: std::collections::BTreeSet<_> = names.iter().collect();
        for name in names {
            let key = alarm_key(ctx, name);
            rows.extend(ALARMS.read(ctx.store(), &key).await?.map(|row| (key, row)));
        }
        return Ok(rows);
    }
    let scope = (ctx.account().to_owned(), ctx.region().to_owned());
    let prefix = input.alarm_name_prefix.as_deref().filter(|_| !is_related);
    let range = ALARMS.starting_with(&scope, prefix.unwrap_or_default());
    Ok(ALARMS.list(ctx.store(), range, ALARMS_MAX, false).await?)
}

/// The names that stand in a rule, or the alarms in whose rules a name stands.
fn related(
    input: &DescribeAlarmsInput,
    rows: &[(AlarmKey, AlarmRow)],
) -> Result<Option<Vec<String>>, ServiceError> {
    let names_of = |row: &AlarmRow| -> Vec<String> {
        let document = row.document();
        let text = document.get("AlarmRule").and_then(serde_json::Value::as_str);
        let rule = text.and_then(|text| Rule::parse(text).ok());
        rule.iter().flat_map(Rule::names).map(str::to_owned).collect()
    };
    match (&input.children_of_alarm_name, &input.parents_of_alarm_name) {
        (None, None) => Ok(None),
        (Some(of), None) => {
            let found = rows.iter().find(|(key, _)| key.2 == name_of(of));
            Ok(Some(found.map(|(_, row)| names_of(row)).unwrap_or_default()))
        }
        (None, Some(of)) => {
            let of = name_of(of).to_owned();
            let all = rows.iter().filter(|(_, row)| names_of(row).contains(&of));
            Ok(Some(all.map(|(key, _)| key.2.clone()).collect()))
        }
        _ => Err(invalid(
            "ChildrenOfAlarmName and ParentsOfAlarmName must not be specified together.",
        )),
    }
}
