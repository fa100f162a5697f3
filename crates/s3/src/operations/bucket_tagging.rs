//! `PutBucketTagging`, `GetBucketTagging` and `DeleteBucketTagging`.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::S3;
use crate::api::s3::operations::{DeleteBucketTagging, GetBucketTagging, PutBucketTagging};
use crate::api::s3::shapes::Tagging;
use crate::api::s3::shapes::{
    DeleteBucketTaggingInput, DeleteBucketTaggingOutput, GetBucketTaggingInput,
    GetBucketTaggingOutput, PutBucketTaggingInput, PutBucketTaggingOutput,
};
use crate::engine::bucket::{TAGS, access, config, delete_config, own, put_config};
use crate::engine::tags;
use crate::error::no_config;
use crate::limits::BUCKET_TAGS_MAX;

impl Handler<PutBucketTagging> for S3 {
    fn authorize(&self, _: &Context, input: &PutBucketTaggingInput) -> Vec<Access> {
        access("PutBucketTagging", &input.bucket)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: PutBucketTaggingInput,
    ) -> Result<PutBucketTaggingOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let owner = input.expected_bucket_owner.as_ref();
            let row = own(&tx, &ctx, &input.bucket, owner).await?;
            let tags = tags::from_set(input.tagging.tag_set.clone(), BUCKET_TAGS_MAX)?;
            let tag_set = tags::to_set(&tags);
            put_config(&tx, &row, TAGS, &Tagging { tag_set })
        })
        .await?;
        Ok(PutBucketTaggingOutput::default())
    }
}

impl Handler<GetBucketTagging> for S3 {
    fn authorize(&self, _: &Context, input: &GetBucketTaggingInput) -> Vec<Access> {
        access("GetBucketTagging", &input.bucket)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: GetBucketTaggingInput,
    ) -> Result<GetBucketTaggingOutput, ServiceError> {
        let tx = ctx.store().begin().await?;
        let row = own(&tx, &ctx, &input.bucket, input.expected_bucket_owner.as_ref()).await?;
        let missing = || no_config("NoSuchTagSet", "The TagSet does not exist", &input.bucket);
        let found: Tagging = config(&tx, &row, TAGS).await?.ok_or_else(missing)?;
        Ok(GetBucketTaggingOutput { tag_set: found.tag_set })
    }
}

impl Handler<DeleteBucketTagging> for S3 {
    fn authorize(&self, _: &Context, input: &DeleteBucketTaggingInput) -> Vec<Access> {
        access("PutBucketTagging", &input.bucket)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: DeleteBucketTaggingInput,
    ) -> Result<DeleteBucketTaggingOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let owner = input.expected_bucket_owner.as_ref();
            let row = own(&tx, &ctx, &input.bucket, owner).await?;
            delete_config(&tx, &row, TAGS)
        })
        .await?;
        Ok(DeleteBucketTaggingOutput::default())
    }
}
