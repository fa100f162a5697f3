//! IAM and STS: roles, users, managed and inline policies, access keys, temporary credentials; and the
//! decision whether a principal may do something.
//!
//! Two ports of the kernel are provided here: `Authorize` (the policy evaluator in [`policy`] over
//! what is stored) and `Credentials` (whose key is this; credentials for a function's role).
//!
//! Read first: `policy/mod.rs`, `store.rs`, `ports.rs`.
//!
//! Not here yet: groups, instance profiles, federation, service-linked roles, resource-based policies
//! in decisions. Each unknown operation answers an error that names it.

pub mod api;
mod error;
mod managed;
mod operations;
pub mod policy;
mod ports;
mod resources;
mod store;
mod tasks;

use std::sync::Arc;

use undercast_kernel::ServiceError;
use undercast_kernel::{Kernel, Service};
use undercast_smithy::validate::message;

pub use ports::root_key;

/// Both services. All their state is in the store.
#[derive(Debug)]
pub struct Iam;

/// The services `iam` and `sts`; also provides the kernel's ports.
pub fn services(kernel: &Kernel) -> Vec<Service> {
    let iam = Arc::new(Iam);
    kernel.provide_authorize(Arc::clone(&iam) as _);
    kernel.provide_credentials(Arc::clone(&iam) as _);
    let refuse = |violations: &[undercast_smithy::validate::Violation]| {
        ServiceError::new("ValidationError", message(violations))
    };
    vec![
        operations::route_iam(Service::new(&api::iam::SERVICE), &iam)
            .resource(resources::RoleType)
            .resource(resources::PolicyType)
            .resource(resources::ManagedPolicyType)
            .list(resources::list_all)
            .refuse(refuse),
        operations::route_sts(Service::new(&api::sts::SERVICE), &iam)
            .task(tasks::expire())
            .refuse(refuse),
    ]
}
