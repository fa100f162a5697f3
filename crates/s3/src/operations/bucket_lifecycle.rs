//! `PutBucketLifecycleConfiguration`, `GetBucketLifecycleConfiguration` and `DeleteBucketLifecycle`.

use std::collections::BTreeSet;

use undercast_kernel::{Access, Context, Handler, ServiceError};
use undercast_store::Tx;

use crate::S3;
use crate::api::s3::operations::{
    DeleteBucketLifecycle, GetBucketLifecycleConfiguration, PutBucketLifecycleConfiguration,
};
use crate::api::s3::shapes::{
    BucketLifecycleConfiguration, DeleteBucketLifecycleInput, DeleteBucketLifecycleOutput,
    GetBucketLifecycleConfigurationInput, GetBucketLifecycleConfigurationOutput, LifecycleRule,
    PutBucketLifecycleConfigurationInput, PutBucketLifecycleConfigurationOutput,
};
use crate::engine::bucket::{LIFECYCLE, access, config, delete_config, own, put_config};
use crate::error::{argument, invalid, malformed_xml, no_config};
use crate::limits::LIFECYCLE_RULES_MAX;
use crate::store::BUCKETS;
use crate::tasks;

const TRANSITIONS: &str = "all_storage_classes_128K";
const DAY_MS: i64 = 86_400_000;

impl Handler<PutBucketLifecycleConfiguration> for S3 {
    fn authorize(&self, _: &Context, input: &PutBucketLifecycleConfigurationInput) -> Vec<Access> {
        access("PutLifecycleConfiguration", &input.bucket)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: PutBucketLifecycleConfigurationInput,
    ) -> Result<PutBucketLifecycleConfigurationOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move { put(&tx, &ctx, &input).await }).await?;
        Ok(PutBucketLifecycleConfigurationOutput {
            transition_default_minimum_object_size: Some(TRANSITIONS.to_owned()),
        })
    }
}

async fn put(
    tx: &Tx,
    ctx: &Context,
    input: &PutBucketLifecycleConfigurationInput,
) -> Result<(), ServiceError> {
    let owner = input.expected_bucket_owner.as_ref();
    let mut row = own(tx, ctx, &input.bucket, owner).await?;
    let asked = input.lifecycle_configuration.as_ref().ok_or_else(malformed_xml)?;
    if asked.rules.is_empty() || asked.rules.len() > LIFECYCLE_RULES_MAX {
        return Err(malformed_xml());
    }
    let mut rules = asked.rules.clone();
    let mut ids = BTreeSet::new();
    for rule in &mut rules {
        check(rule)?;
        let id = rule.id.get_or_insert_with(|| tx.ids().uuid()).clone();
        if !ids.insert(id) {
            return Err(argument(
                "",
                "",
                "Rule ID must be unique. Found same ID for more than one rule",
            ));
        }
    }
    put_config(tx, &row, LIFECYCLE, &BucketLifecycleConfiguration { rules })?;
    row.has_lifecycle = true;
    BUCKETS.put(tx, &(input.bucket.clone(),), &row)?;
    tasks::spawn_lifecycle(tx, &input.bucket, row.number, tx.now_ms())
}

fn check(rule: &LifecycleRule) -> Result<(), ServiceError> {
    let actions = rule.expiration.is_some()
        || rule.noncurrent_version_expiration.is_some()
        || rule.abort_incomplete_multipart_upload.is_some()
        || rule.transitions.as_ref().is_some_and(|t| !t.is_empty())
        || rule.noncurrent_version_transitions.as_ref().is_some_and(|t| !t.is_empty());
    if !actions {
        return Err(invalid("At least one action needs to be specified in a rule."));
    }
    if !["Enabled", "Disabled"].contains(&rule.status.as_str())
        || (rule.filter.is_none() && rule.prefix.is_none())
    {
        return Err(malformed_xml());
    }
    let Some(expiration) = &rule.expiration else {
        return Ok(());
    };
    if let Some(date) = expiration.date.filter(|date| date.millis() % DAY_MS != 0) {
        return Err(argument("Date", &date.iso8601_millis(), "'Date' must be at midnight GMT"));
    }
    if expiration.days.is_some_and(|days| days <= 0) {
        return Err(argument(
            "Days",
            "",
            "'Days' for Expiration action must be a positive integer",
        ));
    }
    if expiration.expired_object_delete_marker.is_some()
        && (expiration.days.is_some() || expiration.date.is_some())
    {
        return Err(malformed_xml());
    }
    Ok(())
}

impl Handler<GetBucketLifecycleConfiguration> for S3 {
    fn authorize(&self, _: &Context, input: &GetBucketLifecycleConfigurationInput) -> Vec<Access> {
        access("GetLifecycleConfiguration", &input.bucket)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: GetBucketLifecycleConfigurationInput,
    ) -> Result<GetBucketLifecycleConfigurationOutput, ServiceError> {
        let tx = ctx.store().begin().await?;
        let row = own(&tx, &ctx, &input.bucket, input.expected_bucket_owner.as_ref()).await?;
        let missing = || {
            no_config(
                "NoSuchLifecycleConfiguration",
                "The lifecycle configuration does not exist",
                &input.bucket,
            )
        };
        let found: BucketLifecycleConfiguration =
            config(&tx, &row, LIFECYCLE).await?.ok_or_else(missing)?;
        Ok(GetBucketLifecycleConfigurationOutput {
            rules: Some(found.rules),
            transition_default_minimum_object_size: Some(TRANSITIONS.to_owned()),
        })
    }
}

impl Handler<DeleteBucketLifecycle> for S3 {
    fn authorize(&self, _: &Context, input: &DeleteBucketLifecycleInput) -> Vec<Access> {
        access("PutLifecycleConfiguration", &input.bucket)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: DeleteBucketLifecycleInput,
    ) -> Result<DeleteBucketLifecycleOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let owner = input.expected_bucket_owner.as_ref();
            let mut row = own(&tx, &ctx, &input.bucket, owner).await?;
            delete_config(&tx, &row, LIFECYCLE)?;
            row.has_lifecycle = false;
            BUCKETS.put(&tx, &(input.bucket.clone(),), &row)?;
            Ok(())
        })
        .await?;
        Ok(DeleteBucketLifecycleOutput::default())
    }
}
