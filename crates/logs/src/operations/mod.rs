//! One file for each operation; what several of them share is here.

mod create_log_group;
mod create_log_stream;
mod delete_log_group;
mod delete_log_stream;
mod delete_metric_filter;
mod delete_retention_policy;
mod delete_subscription_filter;
mod describe_log_groups;
mod describe_log_streams;
mod describe_metric_filters;
mod describe_subscription_filters;
mod filter_log_events;
mod get_log_events;
mod list_tags_for_resource;
mod list_tags_log_group;
mod put_log_events;
mod put_metric_filter;
mod put_retention_policy;
mod put_subscription_filter;
mod tag_log_group;
mod tag_resource;
mod test_metric_filter;
mod untag_log_group;
mod untag_resource;

use undercast_kernel::{Access, Context, ServiceError};
use undercast_store::Tx;

use crate::api::logs::shapes::LogGroup;
use crate::store::{GROUPS, GroupKey, GroupRow};

fn access(ctx: &Context, operation: &str, group: &str) -> Vec<Access> {
    vec![Access::new(format!("logs:{operation}"), format!("{}:*", arn(ctx, group)))]
}

fn key(ctx: &Context, name: &str) -> GroupKey {
    (ctx.account().to_owned(), ctx.region().to_owned(), name.to_owned())
}

pub(crate) fn arn(ctx: &Context, name: &str) -> String {
    ctx.arn("logs", format!("log-group:{name}"))
}

/// The group in `arn:aws:logs:…:log-group:{name}` with or without `:*`; a bare name is one, too.
fn name_of_arn(arn: &str) -> String {
    let name = arn.split_once(":log-group:").map_or(arn, |(_, name)| name);
    name.trim_end_matches(":*").to_owned()
}

fn group_name(name: Option<&String>, identifier: Option<&String>) -> Result<String, ServiceError> {
    match (name, identifier) {
        (Some(name), None) => Ok(name.clone()),
        (None, Some(identifier)) => Ok(name_of_arn(identifier)),
        _ => Err(ServiceError::new(
            "InvalidParameterException",
            "Exactly one of logGroupName and logGroupIdentifier has to be given.",
        )),
    }
}

fn check_name(name: &str) -> Result<(), ServiceError> {
    if name.is_empty() || name.chars().count() > 512 {
        return Err(ServiceError::new(
            "InvalidParameterException",
            "Invalid LogGroup or LogStream, both must have length less than or equal to 512.",
        ));
    }
    Ok(())
}

async fn require(tx: &Tx, ctx: &Context, name: &str) -> Result<(GroupKey, GroupRow), ServiceError> {
    let key = key(ctx, name);
    let row = GROUPS.get(tx, &key).await?.ok_or_else(|| {
        ServiceError::new("ResourceNotFoundException", "The specified log group does not exist.")
    })?;
    Ok((key, row))
}

/// Metric filters of a group.
const FILTERS_MAX: usize = 100;

fn invalid(message: impl Into<String>) -> ServiceError {
    ServiceError::new("InvalidParameterException", message)
}

fn limit_exceeded() -> ServiceError {
    ServiceError::new("LimitExceededException", "Resource limit exceeded.")
}

fn no_stream() -> ServiceError {
    ServiceError::new("ResourceNotFoundException", "The specified log stream does not exist.")
}

fn offset(token: Option<&String>) -> Result<usize, ServiceError> {
    match token {
        None => Ok(0),
        Some(token) => token.parse().map_err(|_| {
            ServiceError::new("InvalidParameterException", "The specified nextToken is invalid.")
        }),
    }
}

fn shown_group(ctx: &Context, name: String, row: GroupRow) -> LogGroup {
    let arn = arn(ctx, &name);
    LogGroup {
        log_group_name: Some(name),
        creation_time: Some(row.created_ms),
        retention_in_days: row.retention_days,
        metric_filter_count: i32::try_from(row.filters).ok(),
        arn: Some(format!("{arn}:*")),
        log_group_arn: Some(arn),
        stored_bytes: Some(0),
        kms_key_id: row.kms_key_id,
        log_group_class: Some(row.class),
        ..LogGroup::default()
    }
}
