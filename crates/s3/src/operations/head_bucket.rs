//! `HeadBucket`: whether a bucket is there, and in which region.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::S3;
use crate::api::s3::operations::HeadBucket;
use crate::api::s3::shapes::{HeadBucketInput, HeadBucketOutput};
use crate::engine::bucket::{access, arn, load, on_bucket};

impl Handler<HeadBucket> for S3 {
    fn authorize(&self, _: &Context, input: &HeadBucketInput) -> Vec<Access> {
        access("ListBucket", &input.bucket)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: HeadBucketInput,
    ) -> Result<HeadBucketOutput, ServiceError> {
        let tx = ctx.store().begin().await?;
        let owner = input.expected_bucket_owner.as_ref();
        let row = load(&tx, &ctx, &input.bucket, owner, on_bucket("ListBucket")).await?;
        Ok(HeadBucketOutput {
            bucket_arn: Some(arn(&input.bucket)),
            bucket_region: Some(row.region),
            access_point_alias: Some(false),
            ..HeadBucketOutput::default()
        })
    }
}
