//! CloudWatch: metrics, alarms and dashboards.
//!
//! A value goes into the intervals of every resolution at once, so that nothing has to be rolled up later.
//! Read first: `gather.rs` (how values come into the store), `series.rs` (how they are read), `alarms`, `store.rs`.

mod aggregate;
mod alarms;
pub mod api;
mod error;
mod gather;
mod limits;
mod math;
mod operations;
mod queries;
mod resources;
mod series;
mod store;
mod sweep;

use std::sync::Arc;

use undercast_kernel::{Kernel, Service, ServiceError};
use undercast_smithy::validate::message;

use alarms::evaluate;
use api::cloudwatch::operations as op;
use gather::Gatherer;

/// The service. All its state is in the store, but for what waits to be written.
pub struct CloudWatch {
    gatherer: Arc<Gatherer>,
}

impl std::fmt::Debug for CloudWatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CloudWatch")
    }
}

/// The routing table; also provides the kernel's port for what is counted.
pub fn service(kernel: &Kernel) -> Service {
    let gatherer = Arc::new(Gatherer::new(kernel));
    kernel.provide_metrics(Arc::new(gather::Port(Arc::clone(&gatherer))));
    let cloudwatch = Arc::new(CloudWatch { gatherer: Arc::clone(&gatherer) });
    let service = Service::new(&api::cloudwatch::SERVICE)
        .route::<op::DeleteAlarms>(&cloudwatch)
        .route::<op::DeleteDashboards>(&cloudwatch)
        .route::<op::DescribeAlarmHistory>(&cloudwatch)
        .route::<op::DescribeAlarms>(&cloudwatch)
        .route::<op::DescribeAlarmsForMetric>(&cloudwatch)
        .route::<op::DisableAlarmActions>(&cloudwatch)
        .route::<op::EnableAlarmActions>(&cloudwatch)
        .route::<op::GetDashboard>(&cloudwatch)
        .route::<op::GetMetricData>(&cloudwatch)
        .route::<op::GetMetricStatistics>(&cloudwatch)
        .route::<op::ListDashboards>(&cloudwatch)
        .route::<op::ListMetrics>(&cloudwatch)
        .route::<op::ListTagsForResource>(&cloudwatch)
        .route::<op::PutCompositeAlarm>(&cloudwatch)
        .route::<op::PutDashboard>(&cloudwatch)
        .route::<op::PutMetricAlarm>(&cloudwatch)
        .route::<op::PutMetricData>(&cloudwatch)
        .route::<op::SetAlarmState>(&cloudwatch)
        .route::<op::TagResource>(&cloudwatch)
        .route::<op::UntagResource>(&cloudwatch)
        .resource(resources::AlarmType)
        .resource(resources::CompositeAlarmType)
        .resource(resources::DashboardType)
        .task(sweep::task())
        .task(alarms::act::task())
        .start(move |_| {
            gatherer.forget();
            async { Ok(()) }
        })
        .refuse(|violations| ServiceError::new("ValidationError", message(violations)));
    evaluate::tasks(&cloudwatch).into_iter().fold(service, Service::task)
}
