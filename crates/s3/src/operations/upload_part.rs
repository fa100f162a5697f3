//! `UploadPart`: one part of an upload.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::S3;
use crate::api::s3::operations::UploadPart;
use crate::api::s3::shapes::{UploadPartInput, UploadPartOutput};
use crate::engine::bucket::{load, load_for_write, object_access, on};
use crate::engine::ingest::drain;
use crate::engine::{checksum, upload};
use crate::store::Checksum;

impl Handler<UploadPart> for S3 {
    fn authorize(&self, _: &Context, input: &UploadPartInput) -> Vec<Access> {
        object_access("PutObject", &input.bucket, &input.key)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: UploadPartInput,
    ) -> Result<UploadPartOutput, ServiceError> {
        let body = input.body.clone();
        let result = upload_part(ctx, input).await;
        if result.is_err() {
            drain(&body).await;
        }
        result
    }
}

async fn upload_part(
    ctx: Context,
    mut input: UploadPartInput,
) -> Result<UploadPartOutput, ServiceError> {
    if input.sse_customer_algorithm.is_some() {
        return Err(ServiceError::unsupported("encryption with keys of the customer (SSE-C)"));
    }
    let number = upload::part_number(input.part_number)?;
    let begun = {
        let tx = ctx.store().begin().await?;
        let owner = input.expected_bucket_owner.as_ref();
        let wanted = on("PutObject", &input.key);
        let bucket = load(&tx, &ctx, &input.bucket, owner, wanted).await?;
        upload::require(&tx, &bucket, &input.key, &input.upload_id).await?
    };
    let given = checksum::given!(input);
    let body = std::mem::take(&mut input.body);
    let part = upload::take(&ctx, &begun, body, given.clone()).await?;
    let row = ctx
        .transact((input, part), |tx, ctx, all| async move {
            let (input, part) = &*all;
            let owner = input.expected_bucket_owner.as_ref();
            let wanted = on("PutObject", &input.key);
            let bucket = load_for_write(&tx, &ctx, &input.bucket, owner, wanted).await?;
            upload::put_part(&tx, &bucket, &input.key, &input.upload_id, number, part).await
        })
        .await?;
    let mut output =
        UploadPartOutput { e_tag: Some(super::quoted(&row.etag)), ..UploadPartOutput::default() };
    super::answer_encryption!(output, begun.encryption.as_ref());
    // What the caller gave was compared on its way in.
    let given = given.map(|(algorithm, value)| Checksum {
        algorithm: algorithm.name().to_owned(),
        value,
        composite: false,
    });
    if let Some(checksum) = given.as_ref().or(row.checksum.as_ref()) {
        checksum::answer!(output, checksum);
    }
    Ok(output)
}
