//! `AbortMultipartUpload`: gives up an upload.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::S3;
use crate::api::s3::operations::AbortMultipartUpload;
use crate::api::s3::shapes::{AbortMultipartUploadInput, AbortMultipartUploadOutput};
use crate::engine::bucket::{load, object_access, on};
use crate::engine::upload;
use crate::store::UPLOADS;
use crate::tasks;

impl Handler<AbortMultipartUpload> for S3 {
    fn authorize(&self, _: &Context, input: &AbortMultipartUploadInput) -> Vec<Access> {
        object_access("AbortMultipartUpload", &input.bucket, &input.key)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: AbortMultipartUploadInput,
    ) -> Result<AbortMultipartUploadOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let owner = input.expected_bucket_owner.as_ref();
            let wanted = on("AbortMultipartUpload", &input.key);
            let bucket = load(&tx, &ctx, &input.bucket, owner, wanted).await?;
            let row = upload::require(&tx, &bucket, &input.key, &input.upload_id).await?;
            let at = (bucket.number, input.key.clone(), input.upload_id.clone());
            UPLOADS.delete(&tx, &at)?;
            tasks::spawn_drop_parts(&tx, bucket.number, row.id)
        })
        .await?;
        Ok(AbortMultipartUploadOutput::default())
    }
}
