//! `PutBucketOwnershipControls`, `GetBucketOwnershipControls` and `DeleteBucketOwnershipControls`.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::S3;
use crate::api::s3::operations::{
    DeleteBucketOwnershipControls, GetBucketOwnershipControls, PutBucketOwnershipControls,
};
use crate::api::s3::shapes::{
    DeleteBucketOwnershipControlsInput, DeleteBucketOwnershipControlsOutput,
    GetBucketOwnershipControlsInput, GetBucketOwnershipControlsOutput,
    PutBucketOwnershipControlsInput, PutBucketOwnershipControlsOutput,
};
use crate::engine::bucket::{OWNERSHIP, access, config, delete_config, own, put_config};
use crate::error::{malformed_xml, no_config};

impl Handler<PutBucketOwnershipControls> for S3 {
    fn authorize(&self, _: &Context, input: &PutBucketOwnershipControlsInput) -> Vec<Access> {
        access("PutBucketOwnershipControls", &input.bucket)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: PutBucketOwnershipControlsInput,
    ) -> Result<PutBucketOwnershipControlsOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let owner = input.expected_bucket_owner.as_ref();
            let row = own(&tx, &ctx, &input.bucket, owner).await?;
            if input.ownership_controls.rules.len() != 1 {
                return Err(malformed_xml());
            }
            put_config(&tx, &row, OWNERSHIP, &input.ownership_controls)
        })
        .await?;
        Ok(PutBucketOwnershipControlsOutput::default())
    }
}

impl Handler<GetBucketOwnershipControls> for S3 {
    fn authorize(&self, _: &Context, input: &GetBucketOwnershipControlsInput) -> Vec<Access> {
        access("GetBucketOwnershipControls", &input.bucket)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: GetBucketOwnershipControlsInput,
    ) -> Result<GetBucketOwnershipControlsOutput, ServiceError> {
        let tx = ctx.store().begin().await?;
        let row = own(&tx, &ctx, &input.bucket, input.expected_bucket_owner.as_ref()).await?;
        let missing = || {
            no_config(
                "OwnershipControlsNotFoundError",
                "The bucket ownership controls were not found",
                &input.bucket,
            )
        };
        let found = config(&tx, &row, OWNERSHIP).await?.ok_or_else(missing)?;
        Ok(GetBucketOwnershipControlsOutput { ownership_controls: Some(found) })
    }
}

impl Handler<DeleteBucketOwnershipControls> for S3 {
    fn authorize(&self, _: &Context, input: &DeleteBucketOwnershipControlsInput) -> Vec<Access> {
        access("PutBucketOwnershipControls", &input.bucket)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: DeleteBucketOwnershipControlsInput,
    ) -> Result<DeleteBucketOwnershipControlsOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let owner = input.expected_bucket_owner.as_ref();
            let row = own(&tx, &ctx, &input.bucket, owner).await?;
            delete_config(&tx, &row, OWNERSHIP)
        })
        .await?;
        Ok(DeleteBucketOwnershipControlsOutput::default())
    }
}
