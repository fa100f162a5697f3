//! Key Management Service: keys in software, their material sealed by the vault. What is asked of a key
//! meets its rows in [`engine`]; the arithmetic alone is in [`crypto`].

mod crypto;
mod engine;
mod managed;
mod material;
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
        .route::<op::CreateGrant>(&kms)
        .route::<op::CreateKey>(&kms)
        .route::<op::Decrypt>(&kms)
        .route::<op::DeleteAlias>(&kms)
        .route::<op::DescribeKey>(&kms)
        .route::<op::DisableKey>(&kms)
        .route::<op::DisableKeyRotation>(&kms)
        .route::<op::EnableKey>(&kms)
        .route::<op::EnableKeyRotation>(&kms)
        .route::<op::Encrypt>(&kms)
        .route::<op::GenerateDataKey>(&kms)
        .route::<op::GenerateDataKeyPair>(&kms)
        .route::<op::GenerateDataKeyPairWithoutPlaintext>(&kms)
        .route::<op::GenerateDataKeyWithoutPlaintext>(&kms)
        .route::<op::GenerateMac>(&kms)
        .route::<op::GenerateRandom>(&kms)
        .route::<op::GetKeyPolicy>(&kms)
        .route::<op::GetKeyRotationStatus>(&kms)
        .route::<op::GetPublicKey>(&kms)
        .route::<op::ListAliases>(&kms)
        .route::<op::ListGrants>(&kms)
        .route::<op::ListKeyPolicies>(&kms)
        .route::<op::ListKeyRotations>(&kms)
        .route::<op::ListKeys>(&kms)
        .route::<op::ListResourceTags>(&kms)
        .route::<op::ListRetirableGrants>(&kms)
        .route::<op::PutKeyPolicy>(&kms)
        .route::<op::ReEncrypt>(&kms)
        .route::<op::RetireGrant>(&kms)
        .route::<op::RevokeGrant>(&kms)
        .route::<op::RotateKeyOnDemand>(&kms)
        .route::<op::ScheduleKeyDeletion>(&kms)
        .route::<op::Sign>(&kms)
        .route::<op::TagResource>(&kms)
        .route::<op::UntagResource>(&kms)
        .route::<op::UpdateAlias>(&kms)
        .route::<op::UpdateKeyDescription>(&kms)
        .route::<op::Verify>(&kms)
        .route::<op::VerifyMac>(&kms)
        .resource(resources::KeyType)
        .resource(resources::AliasType)
        .task(tasks::delete())
        .task(tasks::rotate())
        .list(resources::list)
}
