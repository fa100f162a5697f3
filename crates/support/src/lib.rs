//! What applications and tools need around the edge, a module for each service: the parameter store
//! ([`ssm`]), secrets ([`secretsmanager`]), keys ([`kms`]), mail ([`ses`]), the container registry ([`ecr`]) as far as the
//! deployment tools need it, and deployments of functions ([`codedeploy`]).

pub mod api;
pub mod codedeploy;
pub mod ecr;
pub mod kms;
pub mod secretsmanager;
pub mod ses;
pub mod ssm;

use undercast_kernel::{Kernel, Service};

/// All services of this crate.
pub fn services(kernel: &Kernel) -> Vec<Service> {
    let mut services = vec![
        codedeploy::service(kernel),
        secretsmanager::service(kernel),
        ssm::service(kernel),
        ecr::service(kernel),
        kms::service(kernel),
    ];
    services.extend(ses::services(kernel));
    services
}
