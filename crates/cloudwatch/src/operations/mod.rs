//! One file for each operation, and what they share.

mod delete_dashboards;
mod get_dashboard;
mod get_metric_data;
mod get_metric_statistics;
mod list_dashboards;
mod list_metrics;
mod put_dashboard;
mod put_metric_data;

use undercast_kernel::{Access, Context, ServiceError};

/// Most operations know no resources.
fn access(operation: &str) -> Vec<Access> {
    vec![Access::new(format!("cloudwatch:{operation}"), "*")]
}

fn dashboard_arn(ctx: &Context, name: &str) -> String {
    // Dashboards are global: their ARNs have no region.
    format!("arn:aws:cloudwatch::{}:dashboard/{name}", ctx.account())
}

fn no_dashboard(name: &str) -> ServiceError {
    ServiceError::new("DashboardNotFoundError", format!("Dashboard {name} does not exist"))
}
