//! CloudWatch Logs: groups, streams, events; what every invocation writes to.
//!
//! The events of a group are one index by time, so that following a group and dropping what is too old
//! are short scans. Read first: `store.rs`, `pattern.rs`, `filters.rs` (what is done with events as they arrive).

pub mod api;
mod filters;
mod operations;
mod pattern;
mod resources;
mod store;
mod tasks;

use std::sync::Arc;

use undercast_kernel::{Kernel, Service, ServiceError};
use undercast_smithy::validate::message;

use api::logs::operations as op;

/// Reads a filter pattern and asks it about a message: nothing may panic or take long. For fuzzing.
pub fn exercise_pattern(pattern: &str, message: &str) {
    if let Ok(pattern) = pattern::Pattern::parse(pattern) {
        pattern.extract(message);
    }
}

/// The service. All its state is in the store.
#[derive(Debug)]
pub struct Logs;

/// The routing table.
pub fn service(_: &Kernel) -> Service {
    let logs = Arc::new(Logs);
    Service::new(&api::logs::SERVICE)
        .route::<op::CreateLogGroup>(&logs)
        .route::<op::CreateLogStream>(&logs)
        .route::<op::DeleteLogGroup>(&logs)
        .route::<op::DeleteLogStream>(&logs)
        .route::<op::DeleteRetentionPolicy>(&logs)
        .route::<op::DescribeLogGroups>(&logs)
        .route::<op::DescribeLogStreams>(&logs)
        .route::<op::FilterLogEvents>(&logs)
        .route::<op::GetLogEvents>(&logs)
        .route::<op::ListTagsForResource>(&logs)
        .route::<op::ListTagsLogGroup>(&logs)
        .route::<op::PutLogEvents>(&logs)
        .route::<op::PutRetentionPolicy>(&logs)
        .route::<op::TagLogGroup>(&logs)
        .route::<op::TagResource>(&logs)
        .route::<op::UntagLogGroup>(&logs)
        .route::<op::UntagResource>(&logs)
        .route::<op::PutMetricFilter>(&logs)
        .route::<op::DescribeMetricFilters>(&logs)
        .route::<op::DeleteMetricFilter>(&logs)
        .route::<op::TestMetricFilter>(&logs)
        .route::<op::PutSubscriptionFilter>(&logs)
        .route::<op::DescribeSubscriptionFilters>(&logs)
        .route::<op::DeleteSubscriptionFilter>(&logs)
        .resource(resources::LogGroupType)
        .resource(resources::LogStreamType)
        .resource(resources::MetricFilterType)
        .resource(resources::SubscriptionFilterType)
        .task(filters::task())
        .task(tasks::drop_group())
        .task(tasks::retention())
        .list(resources::list)
        .refuse(|violations| ServiceError::new("InvalidParameterException", message(violations)))
}
