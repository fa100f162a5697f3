//! Key Management Service: keys and aliases as resources, as far as deployment tools make them.
//! Encrypting with them is not here yet.

mod operations;
mod resources;
mod store;
mod tasks;

use std::sync::Arc;

use undercast_kernel::{Kernel, Service};

use crate::api::kms::{SERVICE, operations as op};

/// The service. All its state is in the store.
#[derive(Debug)]
pub struct Kms;

pub(crate) fn service(_: &Kernel) -> Service {
    let kms = Arc::new(Kms);
    Service::new(&SERVICE)
        .route::<op::CancelKeyDeletion>(&kms)
        .route::<op::CreateAlias>(&kms)
        .route::<op::CreateKey>(&kms)
        .route::<op::DeleteAlias>(&kms)
        .route::<op::DescribeKey>(&kms)
        .route::<op::DisableKey>(&kms)
        .route::<op::DisableKeyRotation>(&kms)
        .route::<op::EnableKey>(&kms)
        .route::<op::EnableKeyRotation>(&kms)
        .route::<op::GetKeyPolicy>(&kms)
        .route::<op::GetKeyRotationStatus>(&kms)
        .route::<op::ListAliases>(&kms)
        .route::<op::ListKeys>(&kms)
        .route::<op::ListResourceTags>(&kms)
        .route::<op::PutKeyPolicy>(&kms)
        .route::<op::ScheduleKeyDeletion>(&kms)
        .route::<op::TagResource>(&kms)
        .route::<op::UntagResource>(&kms)
        .route::<op::UpdateAlias>(&kms)
        .route::<op::UpdateKeyDescription>(&kms)
        .resource(resources::KeyType)
        .resource(resources::AliasType)
        .task(tasks::delete())
        .list(resources::list)
}
