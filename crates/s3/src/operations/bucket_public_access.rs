//! `PutPublicAccessBlock`, `GetPublicAccessBlock` and `DeletePublicAccessBlock`.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::S3;
use crate::api::s3::operations::{
    DeletePublicAccessBlock, GetPublicAccessBlock, PutPublicAccessBlock,
};
use crate::api::s3::shapes::PublicAccessBlockConfiguration;
use crate::api::s3::shapes::{
    DeletePublicAccessBlockInput, DeletePublicAccessBlockOutput, GetPublicAccessBlockInput,
    GetPublicAccessBlockOutput, PutPublicAccessBlockInput, PutPublicAccessBlockOutput,
};
use crate::engine::bucket::{PUBLIC_ACCESS, access, config, delete_config, own, put_config};
use crate::error::no_config;

impl Handler<PutPublicAccessBlock> for S3 {
    fn authorize(&self, _: &Context, input: &PutPublicAccessBlockInput) -> Vec<Access> {
        access("PutBucketPublicAccessBlock", &input.bucket)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: PutPublicAccessBlockInput,
    ) -> Result<PutPublicAccessBlockOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let owner = input.expected_bucket_owner.as_ref();
            let row = own(&tx, &ctx, &input.bucket, owner).await?;
            let asked = &input.public_access_block_configuration;
            let configuration = PublicAccessBlockConfiguration {
                block_public_acls: Some(asked.block_public_acls == Some(true)),
                ignore_public_acls: Some(asked.ignore_public_acls == Some(true)),
                block_public_policy: Some(asked.block_public_policy == Some(true)),
                restrict_public_buckets: Some(asked.restrict_public_buckets == Some(true)),
            };
            put_config(&tx, &row, PUBLIC_ACCESS, &configuration)
        })
        .await?;
        Ok(PutPublicAccessBlockOutput::default())
    }
}

impl Handler<GetPublicAccessBlock> for S3 {
    fn authorize(&self, _: &Context, input: &GetPublicAccessBlockInput) -> Vec<Access> {
        access("GetBucketPublicAccessBlock", &input.bucket)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: GetPublicAccessBlockInput,
    ) -> Result<GetPublicAccessBlockOutput, ServiceError> {
        let tx = ctx.store().begin().await?;
        let row = own(&tx, &ctx, &input.bucket, input.expected_bucket_owner.as_ref()).await?;
        let missing = || {
            no_config(
                "NoSuchPublicAccessBlockConfiguration",
                "The public access block configuration was not found",
                &input.bucket,
            )
        };
        let found = config(&tx, &row, PUBLIC_ACCESS).await?.ok_or_else(missing)?;
        Ok(GetPublicAccessBlockOutput { public_access_block_configuration: Some(found) })
    }
}

impl Handler<DeletePublicAccessBlock> for S3 {
    fn authorize(&self, _: &Context, input: &DeletePublicAccessBlockInput) -> Vec<Access> {
        access("PutBucketPublicAccessBlock", &input.bucket)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: DeletePublicAccessBlockInput,
    ) -> Result<DeletePublicAccessBlockOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let owner = input.expected_bucket_owner.as_ref();
            let row = own(&tx, &ctx, &input.bucket, owner).await?;
            delete_config(&tx, &row, PUBLIC_ACCESS)
        })
        .await?;
        Ok(DeletePublicAccessBlockOutput::default())
    }
}
