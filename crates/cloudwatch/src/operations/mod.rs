//! One file for each operation, and what they share.

mod delete_alarms;
mod delete_dashboards;
mod describe_alarm_history;
mod describe_alarms;
mod describe_alarms_for_metric;
mod disable_alarm_actions;
mod enable_alarm_actions;
mod get_dashboard;
mod get_metric_data;
mod get_metric_statistics;
mod list_dashboards;
mod list_metrics;
mod list_tags_for_resource;
mod put_composite_alarm;
mod put_dashboard;
mod put_metric_alarm;
mod put_metric_data;
mod set_alarm_state;
mod tag_resource;
mod untag_resource;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};
use undercast_kernel::{Access, Context, ServiceError};

use crate::alarms::{self, AlarmRow, evaluate, remember};
use crate::api::cloudwatch::shapes::Tag;
use crate::store::{ALARMS, AlarmKey, DASHBOARDS};

/// Most operations know no resources.
fn access(operation: &str) -> Vec<Access> {
    vec![Access::new(format!("cloudwatch:{operation}"), "*")]
}

fn alarm_access(ctx: &Context, operation: &str, names: &[&String]) -> Vec<Access> {
    let of = |name: &&String| {
        Access::new(format!("cloudwatch:{operation}"), alarms::arn(&alarm_key(ctx, name)))
    };
    names.iter().map(of).collect()
}

fn alarm_key(ctx: &Context, name: &str) -> AlarmKey {
    (ctx.account().to_owned(), ctx.region().to_owned(), name.to_owned())
}

fn dashboard_arn(ctx: &Context, name: &str) -> String {
    // Dashboards are global: their ARNs have no region.
    format!("arn:aws:cloudwatch::{}:dashboard/{name}", ctx.account())
}

fn no_dashboard(name: &str) -> ServiceError {
    ServiceError::new("DashboardNotFoundError", format!("Dashboard {name} does not exist"))
}

fn page_size(given: Option<i32>) -> usize {
    given.and_then(|size| usize::try_from(size).ok()).unwrap_or(50).clamp(1, 100)
}

/// Makes an alarm, or changes it and keeps its state; then it is looked at.
async fn put_alarm(
    ctx: &Context,
    name: String,
    is_composite: bool,
    settings: Value,
    tags: Option<Vec<Tag>>,
) -> Result<(), ServiceError> {
    ctx.transact((name, settings, tags), move |tx, ctx, input| async move {
        let (name, settings, tags) = &*input;
        let key = alarm_key(&ctx, name);
        let old = ALARMS.get(&tx, &key).await?;
        if old.as_ref().is_some_and(|old| old.is_composite != is_composite) {
            return Err(crate::error::invalid(format!(
                "An alarm of another type has the name {name} already."
            )));
        }
        let made = AlarmRow::new(&tx, is_composite, settings);
        let (row, summary, kind) = match old {
            None => {
                let tags = tags.iter().flatten().map(|tag| (tag.key.clone(), tag.value.clone()));
                let row = AlarmRow { tags: tags.collect(), ..made };
                (row, format!("Alarm \"{name}\" created"), "Create")
            }
            Some(old) => {
                let row = AlarmRow {
                    settings: made.settings,
                    actions_enabled: made.actions_enabled,
                    configured_ms: made.configured_ms.max(old.configured_ms + 1),
                    ..old
                };
                (row, format!("Alarm \"{name}\" updated"), "Update")
            }
        };
        ALARMS.put(&tx, &key, &row)?;
        let data = json!({"version": "1.0", "type": kind});
        remember(&tx, &key, is_composite, "ConfigurationUpdate", summary, &data).await?;
        match is_composite {
            true => evaluate::spawn_composites(&tx, &key),
            false => evaluate::spawn_metric(&tx, &key, &row),
        }
    })
    .await
}

async fn switch_actions(
    ctx: &Context,
    names: Vec<String>,
    enabled: bool,
) -> Result<(), ServiceError> {
    ctx.transact(names, move |tx, ctx, names| async move {
        for name in names.iter() {
            let key = alarm_key(&ctx, name);
            if let Some(row) = ALARMS.get(&tx, &key).await? {
                ALARMS.put(&tx, &key, &AlarmRow { actions_enabled: enabled, ..row })?;
            }
        }
        Ok(())
    })
    .await
}

type Tags = BTreeMap<String, String>;

/// The tags of the resource with this ARN, after a change.
async fn tags_of(
    ctx: &Context,
    arn: String,
    change: impl Fn(&mut Tags) -> Result<(), ServiceError> + Send + Sync + 'static,
) -> Result<Tags, ServiceError> {
    let change = Arc::new(change);
    ctx.transact(arn, move |tx, ctx, arn| {
        let change = Arc::clone(&change);
        async move {
            let gone = || ServiceError::new("ResourceNotFoundException", "Unknown");
            if let Some((_, name)) = arn.split_once(":dashboard/") {
                let key = (ctx.account().to_owned(), String::new(), name.to_owned());
                let mut row = DASHBOARDS.get(&tx, &key).await?.ok_or_else(gone)?;
                let old = row.tags.clone();
                change(&mut row.tags)?;
                if row.tags != old {
                    DASHBOARDS.put(&tx, &key, &row)?;
                }
                return Ok(row.tags);
            }
            let (_, name) = arn.split_once(":alarm:").ok_or_else(gone)?;
            let key = alarm_key(&ctx, name);
            let mut row = ALARMS.get(&tx, &key).await?.ok_or_else(gone)?;
            let old = row.tags.clone();
            change(&mut row.tags)?;
            if row.tags != old {
                ALARMS.put(&tx, &key, &row)?;
            }
            Ok(row.tags)
        }
    })
    .await
}
