//! `GetBucketLocation`: the region of a bucket, nothing for us-east-1.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::S3;
use crate::api::s3::operations::GetBucketLocation;
use crate::api::s3::shapes::{GetBucketLocationInput, GetBucketLocationOutput};
use crate::engine::bucket::{access, load, on_bucket};

impl Handler<GetBucketLocation> for S3 {
    fn authorize(&self, _: &Context, input: &GetBucketLocationInput) -> Vec<Access> {
        access("GetBucketLocation", &input.bucket)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: GetBucketLocationInput,
    ) -> Result<GetBucketLocationOutput, ServiceError> {
        let tx = ctx.store().begin().await?;
        let owner = input.expected_bucket_owner.as_ref();
        let wanted = on_bucket("GetBucketLocation");
        let row = load(&tx, &ctx, &input.bucket, owner, wanted).await?;
        Ok(GetBucketLocationOutput {
            location_constraint: Some(row.region).filter(|region| region != "us-east-1"),
        })
    }
}
