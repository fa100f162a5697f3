//! Secrets Manager: secrets with versions, values sealed by the vault, rotation by functions. What a version
//! and its labels are is in [`engine`]; schedules and the steps of a rotation in [`rotation`].

mod engine;
mod error;
mod operations;
mod password;
mod resources;
mod rotation;
mod store;

use std::sync::Arc;

use undercast_kernel::{Kernel, Service};

use crate::api::secretsmanager::{SERVICE, operations as op};

/// The service. All its state is in the store.
#[derive(Debug)]
pub struct SecretsManager;

pub(crate) fn service(_: &Kernel) -> Service {
    let secrets = Arc::new(SecretsManager);
    let mut service = Service::new(&SERVICE)
        .route::<op::BatchGetSecretValue>(&secrets)
        .route::<op::CancelRotateSecret>(&secrets)
        .route::<op::CreateSecret>(&secrets)
        .route::<op::DeleteResourcePolicy>(&secrets)
        .route::<op::DeleteSecret>(&secrets)
        .route::<op::DescribeSecret>(&secrets)
        .route::<op::GetRandomPassword>(&secrets)
        .route::<op::GetResourcePolicy>(&secrets)
        .route::<op::GetSecretValue>(&secrets)
        .route::<op::ListSecretVersionIds>(&secrets)
        .route::<op::ListSecrets>(&secrets)
        .route::<op::PutResourcePolicy>(&secrets)
        .route::<op::PutSecretValue>(&secrets)
        .route::<op::RestoreSecret>(&secrets)
        .route::<op::RotateSecret>(&secrets)
        .route::<op::TagResource>(&secrets)
        .route::<op::UntagResource>(&secrets)
        .route::<op::UpdateSecret>(&secrets)
        .route::<op::UpdateSecretVersionStage>(&secrets)
        .route::<op::ValidateResourcePolicy>(&secrets)
        .resource(resources::SecretType)
        .resource(resources::RotationScheduleType)
        .resource(resources::ResourcePolicyType)
        .list(resources::list);
    for task in rotation::tasks() {
        service = service.task(task);
    }
    service
}
