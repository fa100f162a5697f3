//! `PutBucketLogging` and `GetBucketLogging`: kept; no log is written.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::S3;
use crate::api::s3::operations::{GetBucketLogging, PutBucketLogging};
use crate::api::s3::shapes::{
    BucketLoggingStatus, GetBucketLoggingInput, GetBucketLoggingOutput, PutBucketLoggingInput,
    PutBucketLoggingOutput,
};
use crate::engine::bucket::{LOGGING, access, config, delete_config, own, put_config};
use crate::store::BUCKETS;

impl Handler<PutBucketLogging> for S3 {
    fn authorize(&self, _: &Context, input: &PutBucketLoggingInput) -> Vec<Access> {
        access("PutBucketLogging", &input.bucket)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: PutBucketLoggingInput,
    ) -> Result<PutBucketLoggingOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let owner = input.expected_bucket_owner.as_ref();
            let row = own(&tx, &ctx, &input.bucket, owner).await?;
            let Some(wanted) = &input.bucket_logging_status.logging_enabled else {
                return delete_config(&tx, &row, LOGGING);
            };
            let target = BUCKETS.get(&tx, &(wanted.target_bucket.clone(),)).await?;
            if target.is_none_or(|target| target.account != row.account) {
                return Err(ServiceError::new(
                    "InvalidTargetBucketForLogging",
                    "The target bucket for logging does not exist",
                )
                .with_field("TargetBucket", wanted.target_bucket.as_str()));
            }
            put_config(&tx, &row, LOGGING, &input.bucket_logging_status)
        })
        .await?;
        Ok(PutBucketLoggingOutput::default())
    }
}

impl Handler<GetBucketLogging> for S3 {
    fn authorize(&self, _: &Context, input: &GetBucketLoggingInput) -> Vec<Access> {
        access("GetBucketLogging", &input.bucket)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: GetBucketLoggingInput,
    ) -> Result<GetBucketLoggingOutput, ServiceError> {
        let tx = ctx.store().begin().await?;
        let row = own(&tx, &ctx, &input.bucket, input.expected_bucket_owner.as_ref()).await?;
        let found: Option<BucketLoggingStatus> = config(&tx, &row, LOGGING).await?;
        Ok(GetBucketLoggingOutput { logging_enabled: found.unwrap_or_default().logging_enabled })
    }
}
