//! What tools ask of every bucket and nobody sets here: `GetBucketAccelerateConfiguration`,
//! `GetBucketReplication`, `GetBucketRequestPayment`. And `GetBucketPolicyStatus`.

use serde_json::Value;
use undercast_kernel::{Access, Context, Handler, Principal, ServiceError};

use crate::S3;
use crate::api::s3::operations::{
    GetBucketAccelerateConfiguration, GetBucketPolicyStatus, GetBucketReplication,
    GetBucketRequestPayment,
};
use crate::api::s3::shapes::{
    GetBucketAccelerateConfigurationInput, GetBucketAccelerateConfigurationOutput,
    GetBucketPolicyStatusInput, GetBucketPolicyStatusOutput, GetBucketReplicationInput,
    GetBucketReplicationOutput, GetBucketRequestPaymentInput, GetBucketRequestPaymentOutput,
    PolicyStatus,
};
use crate::engine::bucket::{POLICY, access, document, own};
use crate::engine::policy;
use crate::error::no_config;

impl Handler<GetBucketAccelerateConfiguration> for S3 {
    fn authorize(&self, _: &Context, input: &GetBucketAccelerateConfigurationInput) -> Vec<Access> {
        access("GetAccelerateConfiguration", &input.bucket)
    }

    /// Acceleration was never set: nothing is said.
    async fn handle(
        &self,
        ctx: Context,
        input: GetBucketAccelerateConfigurationInput,
    ) -> Result<GetBucketAccelerateConfigurationOutput, ServiceError> {
        let tx = ctx.store().begin().await?;
        own(&tx, &ctx, &input.bucket, input.expected_bucket_owner.as_ref()).await?;
        Ok(GetBucketAccelerateConfigurationOutput::default())
    }
}

impl Handler<GetBucketReplication> for S3 {
    fn authorize(&self, _: &Context, input: &GetBucketReplicationInput) -> Vec<Access> {
        access("GetReplicationConfiguration", &input.bucket)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: GetBucketReplicationInput,
    ) -> Result<GetBucketReplicationOutput, ServiceError> {
        let tx = ctx.store().begin().await?;
        own(&tx, &ctx, &input.bucket, input.expected_bucket_owner.as_ref()).await?;
        Err(no_config(
            "ReplicationConfigurationNotFoundError",
            "The replication configuration was not found",
            &input.bucket,
        ))
    }
}

impl Handler<GetBucketRequestPayment> for S3 {
    fn authorize(&self, _: &Context, input: &GetBucketRequestPaymentInput) -> Vec<Access> {
        access("GetBucketRequestPayment", &input.bucket)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: GetBucketRequestPaymentInput,
    ) -> Result<GetBucketRequestPaymentOutput, ServiceError> {
        let tx = ctx.store().begin().await?;
        own(&tx, &ctx, &input.bucket, input.expected_bucket_owner.as_ref()).await?;
        Ok(GetBucketRequestPaymentOutput { payer: Some("BucketOwner".to_owned()) })
    }
}

impl Handler<GetBucketPolicyStatus> for S3 {
    fn authorize(&self, _: &Context, input: &GetBucketPolicyStatusInput) -> Vec<Access> {
        access("GetBucketPolicyStatus", &input.bucket)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: GetBucketPolicyStatusInput,
    ) -> Result<GetBucketPolicyStatusOutput, ServiceError> {
        let tx = ctx.store().begin().await?;
        let row = own(&tx, &ctx, &input.bucket, input.expected_bucket_owner.as_ref()).await?;
        let found = document(&tx, &row, POLICY).await?.filter(|policy| *policy != Value::Null);
        let found = found.ok_or_else(|| {
            no_config("NoSuchBucketPolicy", "The bucket policy does not exist", &input.bucket)
        })?;
        let is_public = policy::lets_in(&found, &Principal::Anonymous);
        Ok(GetBucketPolicyStatusOutput {
            policy_status: Some(PolicyStatus { is_public: Some(is_public) }),
        })
    }
}
