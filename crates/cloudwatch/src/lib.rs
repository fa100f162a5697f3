//! CloudWatch: metrics, alarms and dashboards.
//!
//! A value goes into the intervals of every resolution at once, so that nothing has to be rolled up later.
//! Read first: `gather.rs` (how values come into the store), `series.rs` (how they are read), `store.rs`.

mod aggregate;
pub mod api;
mod error;
mod gather;
mod limits;
mod math;
mod operations;
mod queries;
mod series;
mod store;
mod sweep;

use std::sync::Arc;

use undercast_kernel::{Kernel, Service, ServiceError};
use undercast_smithy::validate::message;

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
    Service::new(&api::cloudwatch::SERVICE)
        .route::<op::DeleteDashboards>(&cloudwatch)
        .route::<op::GetDashboard>(&cloudwatch)
        .route::<op::GetMetricData>(&cloudwatch)
        .route::<op::GetMetricStatistics>(&cloudwatch)
        .route::<op::ListDashboards>(&cloudwatch)
        .route::<op::ListMetrics>(&cloudwatch)
        .route::<op::PutDashboard>(&cloudwatch)
        .route::<op::PutMetricData>(&cloudwatch)
        .task(sweep::task())
        .start(move |_| {
            gatherer.forget();
            async { Ok(()) }
        })
        .refuse(|violations| ServiceError::new("ValidationError", message(violations)))
}
