//! The list of services: the one place that names them all.

use std::path::Path;

use undercast_kernel::{Kernel, Service};
use undercast_lambda::Sandboxes;
use undercast_patterns::Room;

/// What single services are told.
pub(crate) struct Settings<'a> {
    pub(crate) sandboxes: Sandboxes,
    pub(crate) data: &'a Path,
    pub(crate) dark_room: Room,
}

pub(crate) fn all(kernel: &Kernel, settings: Settings<'_>) -> Vec<Service> {
    let mut services = undercast_iam::services(kernel);
    services.push(undercast_apigateway::service(kernel));
    services.push(undercast_cloudformation::service(kernel));
    services.push(undercast_cloudwatch::service(kernel));
    services.extend(undercast_dynamodb::services(kernel));
    services.push(undercast_lambda::service(
        kernel,
        settings.sandboxes,
        settings.data.join("functions"),
    ));
    services.push(undercast_logs::service(kernel));
    services.push(undercast_patterns::service(kernel, settings.dark_room));
    services.push(undercast_s3::service(kernel));
    services.push(undercast_sqs::service(kernel));
    services.extend(undercast_support::services(kernel));
    services
}
