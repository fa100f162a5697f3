//! The list of services: the one place that names them all.

use std::path::Path;

use undercast_kernel::{Kernel, Service};
use undercast_lambda::Sandboxes;

pub(crate) fn all(kernel: &Kernel, sandboxes: Sandboxes, data: &Path) -> Vec<Service> {
    let mut services = undercast_iam::services(kernel);
    services.push(undercast_apigateway::service(kernel));
    services.push(undercast_cloudformation::service(kernel));
    services.push(undercast_dynamodb::service(kernel));
    services.push(undercast_lambda::service(kernel, sandboxes, data.join("functions")));
    services.push(undercast_logs::service(kernel));
    services.push(undercast_s3::service(kernel));
    services.push(undercast_sqs::service(kernel));
    services.extend(undercast_support::services(kernel));
    services
}
