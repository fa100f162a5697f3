//! Object Lock: `PutObjectLockConfiguration`, `GetObjectLockConfiguration`, and retention and legal hold of a
//! version.

use undercast_kernel::{Access, Context, Handler, ServiceError};
use undercast_smithy::Timestamp;

use super::object_tagging::keep;
use crate::S3;
use crate::api::s3::operations::{
    GetObjectLegalHold, GetObjectLockConfiguration, GetObjectRetention, PutObjectLegalHold,
    PutObjectLockConfiguration, PutObjectRetention,
};
use crate::api::s3::shapes::{
    GetObjectLegalHoldInput, GetObjectLegalHoldOutput, GetObjectLockConfigurationInput,
    GetObjectLockConfigurationOutput, GetObjectRetentionInput, GetObjectRetentionOutput,
    ObjectLockConfiguration, ObjectLockLegalHold, ObjectLockRetention, PutObjectLegalHoldInput,
    PutObjectLegalHoldOutput, PutObjectLockConfigurationInput, PutObjectLockConfigurationOutput,
    PutObjectRetentionInput, PutObjectRetentionOutput,
};
use crate::engine::bucket::{
    OBJECT_LOCK, access, config, load, object_access, on, own, put_config,
};
use crate::engine::{lock, read};
use crate::error::{argument, malformed_xml, no_config};
use crate::store::{BUCKETS, Versioning};

const BYPASS: &str = "BypassGovernanceRetention";

fn check(wanted: &ObjectLockConfiguration) -> Result<(), ServiceError> {
    if wanted.object_lock_enabled.as_deref() != Some("Enabled") {
        return Err(malformed_xml());
    }
    let Some(rule) = &wanted.rule else {
        return Ok(());
    };
    let default = rule.default_retention.as_ref().ok_or_else(malformed_xml)?;
    if !matches!(default.mode.as_deref(), Some("GOVERNANCE" | "COMPLIANCE")) {
        return Err(malformed_xml());
    }
    match (default.days, default.years) {
        (Some(count), None) | (None, Some(count)) if count > 0 => Ok(()),
        (Some(count), None) | (None, Some(count)) => Err(argument(
            "Days",
            &count.to_string(),
            "Default retention period must be a positive integer value.",
        )),
        _ => Err(malformed_xml()),
    }
}

impl Handler<PutObjectLockConfiguration> for S3 {
    fn authorize(&self, _: &Context, input: &PutObjectLockConfigurationInput) -> Vec<Access> {
        access("PutBucketObjectLockConfiguration", &input.bucket)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: PutObjectLockConfigurationInput,
    ) -> Result<PutObjectLockConfigurationOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let owner = input.expected_bucket_owner.as_ref();
            let mut row = own(&tx, &ctx, &input.bucket, owner).await?;
            let wanted = input.object_lock_configuration.as_ref().ok_or_else(malformed_xml)?;
            check(wanted)?;
            if row.versioning != Versioning::Enabled {
                return Err(ServiceError::new(
                    "InvalidBucketState",
                    "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration",
                )
                .with_status(409));
            }
            row.has_lock = true;
            put_config(&tx, &row, OBJECT_LOCK, wanted)?;
            BUCKETS.put(&tx, &(input.bucket.clone(),), &row)?;
            Ok(())
        })
        .await?;
        Ok(PutObjectLockConfigurationOutput::default())
    }
}

impl Handler<GetObjectLockConfiguration> for S3 {
    fn authorize(&self, _: &Context, input: &GetObjectLockConfigurationInput) -> Vec<Access> {
        access("GetBucketObjectLockConfiguration", &input.bucket)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: GetObjectLockConfigurationInput,
    ) -> Result<GetObjectLockConfigurationOutput, ServiceError> {
        let tx = ctx.store().begin().await?;
        let row = own(&tx, &ctx, &input.bucket, input.expected_bucket_owner.as_ref()).await?;
        if !row.has_lock {
            return Err(no_config(
                "ObjectLockConfigurationNotFoundError",
                "Object Lock configuration does not exist for this bucket",
                &input.bucket,
            ));
        }
        let found: Option<ObjectLockConfiguration> = config(&tx, &row, OBJECT_LOCK).await?;
        let plain = || ObjectLockConfiguration {
            object_lock_enabled: Some("Enabled".to_owned()),
            rule: None,
        };
        Ok(GetObjectLockConfigurationOutput {
            object_lock_configuration: Some(found.unwrap_or_else(plain)),
        })
    }
}

impl Handler<PutObjectRetention> for S3 {
    fn authorize(&self, _: &Context, input: &PutObjectRetentionInput) -> Vec<Access> {
        let mut all = object_access("PutObjectRetention", &input.bucket, &input.key);
        if input.bypass_governance_retention == Some(true) {
            all.extend(object_access(BYPASS, &input.bucket, &input.key));
        }
        all
    }

    async fn handle(
        &self,
        ctx: Context,
        input: PutObjectRetentionInput,
    ) -> Result<PutObjectRetentionOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let owner = input.expected_bucket_owner.as_ref();
            let wanted = on("PutObjectRetention", &input.key);
            let bucket = load(&tx, &ctx, &input.bucket, owner, wanted).await?;
            lock::require(&bucket)?;
            let version = input.version_id.as_deref();
            let mut row = read::find(&tx, &bucket, &input.key, version, "PUT").await?;
            let wanted = input.retention.clone().unwrap_or_default();
            let bypasses = input.bypass_governance_retention == Some(true);
            lock::retain(&mut row, &wanted, tx.now_ms(), bypasses)?;
            keep(&tx, &bucket, &row).await
        })
        .await?;
        Ok(PutObjectRetentionOutput::default())
    }
}

fn no_lock(key: &str) -> ServiceError {
    ServiceError::new(
        "NoSuchObjectLockConfiguration",
        "The specified object does not have a ObjectLock configuration",
    )
    .with_status(404)
    .with_field("Key", key)
}

impl Handler<GetObjectRetention> for S3 {
    fn authorize(&self, _: &Context, input: &GetObjectRetentionInput) -> Vec<Access> {
        object_access("GetObjectRetention", &input.bucket, &input.key)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: GetObjectRetentionInput,
    ) -> Result<GetObjectRetentionOutput, ServiceError> {
        let tx = ctx.store().begin().await?;
        let owner = input.expected_bucket_owner.as_ref();
        let wanted = on("GetObjectRetention", &input.key);
        let bucket = load(&tx, &ctx, &input.bucket, owner, wanted).await?;
        lock::require(&bucket)?;
        let version = input.version_id.as_deref();
        let row = read::find(&tx, &bucket, &input.key, version, "GET").await?;
        let retention = row.lock.retention.ok_or_else(|| no_lock(&input.key))?;
        Ok(GetObjectRetentionOutput {
            retention: Some(ObjectLockRetention {
                mode: Some(lock::mode_name(&retention)),
                retain_until_date: Some(Timestamp::from_millis(retention.until_ms)),
            }),
        })
    }
}

impl Handler<PutObjectLegalHold> for S3 {
    fn authorize(&self, _: &Context, input: &PutObjectLegalHoldInput) -> Vec<Access> {
        object_access("PutObjectLegalHold", &input.bucket, &input.key)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: PutObjectLegalHoldInput,
    ) -> Result<PutObjectLegalHoldOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let owner = input.expected_bucket_owner.as_ref();
            let wanted = on("PutObjectLegalHold", &input.key);
            let bucket = load(&tx, &ctx, &input.bucket, owner, wanted).await?;
            lock::require(&bucket)?;
            let version = input.version_id.as_deref();
            let mut row = read::find(&tx, &bucket, &input.key, version, "PUT").await?;
            let status = input.legal_hold.as_ref().and_then(|hold| hold.status.as_ref());
            lock::hold(&mut row, status)?;
            keep(&tx, &bucket, &row).await
        })
        .await?;
        Ok(PutObjectLegalHoldOutput::default())
    }
}

impl Handler<GetObjectLegalHold> for S3 {
    fn authorize(&self, _: &Context, input: &GetObjectLegalHoldInput) -> Vec<Access> {
        object_access("GetObjectLegalHold", &input.bucket, &input.key)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: GetObjectLegalHoldInput,
    ) -> Result<GetObjectLegalHoldOutput, ServiceError> {
        let tx = ctx.store().begin().await?;
        let owner = input.expected_bucket_owner.as_ref();
        let wanted = on("GetObjectLegalHold", &input.key);
        let bucket = load(&tx, &ctx, &input.bucket, owner, wanted).await?;
        lock::require(&bucket)?;
        let version = input.version_id.as_deref();
        let row = read::find(&tx, &bucket, &input.key, version, "GET").await?;
        let status = if row.lock.is_held { "ON" } else { "OFF" };
        Ok(GetObjectLegalHoldOutput {
            legal_hold: Some(ObjectLockLegalHold { status: Some(status.to_owned()) }),
        })
    }
}
