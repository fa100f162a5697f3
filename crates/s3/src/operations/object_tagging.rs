//! `PutObjectTagging`, `GetObjectTagging` and `DeleteObjectTagging`.

use undercast_kernel::{Access, Context, Handler, ServiceError};
use undercast_store::Tx;

use crate::S3;
use crate::api::s3::operations::{DeleteObjectTagging, GetObjectTagging, PutObjectTagging};
use crate::api::s3::shapes::{
    DeleteObjectTaggingInput, DeleteObjectTaggingOutput, GetObjectTaggingInput,
    GetObjectTaggingOutput, PutObjectTaggingInput, PutObjectTaggingOutput,
};
use crate::engine::bucket::{load, on, version_access};
use crate::engine::notify::{Event, Subject, notify};
use crate::engine::read;
use crate::engine::tags::{self, Tags};
use crate::limits::OBJECT_TAGS_MAX;
use crate::store::{BucketRow, OBJECTS, ObjectRow, VERSIONS};

impl Handler<PutObjectTagging> for S3 {
    fn authorize(&self, _: &Context, input: &PutObjectTaggingInput) -> Vec<Access> {
        let version = input.version_id.as_ref();
        version_access("PutObjectTagging", &input.bucket, &input.key, version)
    }

    async fn handle(
        &self,
        ctx: Context,
        mut input: PutObjectTaggingInput,
    ) -> Result<PutObjectTaggingOutput, ServiceError> {
        let set = std::mem::take(&mut input.tagging.tag_set);
        let tags = tags::from_set(set, OBJECT_TAGS_MAX)?;
        let version_id = ctx
            .transact((input, tags), |tx, ctx, all| async move {
                let (input, tags) = &*all;
                let owner = input.expected_bucket_owner.as_ref();
                let wanted = on("PutObjectTagging", &input.key);
                let bucket = load(&tx, &ctx, &input.bucket, owner, wanted).await?;
                let version = input.version_id.as_deref();
                let row = put(&tx, &bucket, &input.key, version, tags.clone()).await?;
                let subject = Subject::tagged(&bucket, &row);
                notify(&tx, &ctx, &bucket, &input.bucket, Event::TaggingPut, &subject).await?;
                Ok(read::version_id(&bucket, &row))
            })
            .await?;
        Ok(PutObjectTaggingOutput { version_id })
    }
}

async fn put(
    tx: &Tx,
    bucket: &BucketRow,
    key: &str,
    version: Option<&str>,
    tags: Tags,
) -> Result<ObjectRow, ServiceError> {
    let mut row = read::find(tx, bucket, key, version, "PUT").await?;
    row.tags = tags;
    keep(tx, bucket, &row).await?;
    Ok(row)
}

/// Puts a version back where it is.
pub(super) async fn keep(tx: &Tx, bucket: &BucketRow, row: &ObjectRow) -> Result<(), ServiceError> {
    let latest = read::latest(tx, bucket, &row.key).await?;
    let key = (bucket.number, row.key.clone());
    if latest.is_some_and(|latest| latest.number == row.number) {
        OBJECTS.put(tx, &key, row)?;
    } else {
        VERSIONS.put(tx, &(key.0, key.1, !row.number), row)?;
    }
    Ok(())
}

impl Handler<GetObjectTagging> for S3 {
    fn authorize(&self, _: &Context, input: &GetObjectTaggingInput) -> Vec<Access> {
        let version = input.version_id.as_ref();
        version_access("GetObjectTagging", &input.bucket, &input.key, version)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: GetObjectTaggingInput,
    ) -> Result<GetObjectTaggingOutput, ServiceError> {
        let tx = ctx.store().begin().await?;
        let owner = input.expected_bucket_owner.as_ref();
        let wanted = on("GetObjectTagging", &input.key);
        let bucket = load(&tx, &ctx, &input.bucket, owner, wanted).await?;
        let version = input.version_id.as_deref();
        let row = read::find(&tx, &bucket, &input.key, version, "GET").await?;
        Ok(GetObjectTaggingOutput {
            version_id: read::version_id(&bucket, &row),
            tag_set: tags::to_set(&row.tags),
        })
    }
}

impl Handler<DeleteObjectTagging> for S3 {
    fn authorize(&self, _: &Context, input: &DeleteObjectTaggingInput) -> Vec<Access> {
        let version = input.version_id.as_ref();
        version_access("DeleteObjectTagging", &input.bucket, &input.key, version)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: DeleteObjectTaggingInput,
    ) -> Result<DeleteObjectTaggingOutput, ServiceError> {
        let version_id = ctx
            .transact(input, |tx, ctx, input| async move {
                let owner = input.expected_bucket_owner.as_ref();
                let wanted = on("DeleteObjectTagging", &input.key);
                let bucket = load(&tx, &ctx, &input.bucket, owner, wanted).await?;
                let version = input.version_id.as_deref();
                let row = put(&tx, &bucket, &input.key, version, Tags::new()).await?;
                let subject = Subject::tagged(&bucket, &row);
                notify(&tx, &ctx, &bucket, &input.bucket, Event::TaggingDelete, &subject).await?;
                Ok(read::version_id(&bucket, &row))
            })
            .await?;
        Ok(DeleteObjectTaggingOutput { version_id })
    }
}
