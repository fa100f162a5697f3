//! `DeleteBucket`: deletes a bucket that holds nothing.
//!
//! Whether it holds nothing is decided over a range, which guards nothing: so the bucket is first
//! marked, which every write to it conflicts with, and what was written until then is seen.

use undercast_kernel::{Access, Context, Handler, ServiceError};
use undercast_store::Tx;

use crate::S3;
use crate::api::s3::operations::DeleteBucket;
use crate::api::s3::shapes::{DeleteBucketInput, DeleteBucketOutput};
use crate::engine::bucket::{access, own};
use crate::error::busy;
use crate::store::{BUCKETS, BucketRow, OBJECTS, OWNED, Versioning};
use crate::tasks;

impl Handler<DeleteBucket> for S3 {
    fn authorize(&self, _: &Context, input: &DeleteBucketInput) -> Vec<Access> {
        access("DeleteBucket", &input.bucket)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: DeleteBucketInput,
    ) -> Result<DeleteBucketOutput, ServiceError> {
        let name = input.bucket.clone();
        let marked = ctx
            .transact(input, |tx, ctx, input| async move {
                let owner = input.expected_bucket_owner.as_ref();
                let mut row = own(&tx, &ctx, &input.bucket, owner).await?;
                check_empty(&tx, &row, &input.bucket).await?;
                row.deleting_ms = Some(tx.now_ms());
                BUCKETS.put(&tx, &(input.bucket.clone(),), &row)?;
                Ok(row)
            })
            .await?;
        let emptied = ctx
            .transact((name, marked), |tx, ctx, input| async move {
                let (name, marked) = &*input;
                delete(&tx, &ctx, name, marked).await
            })
            .await?;
        emptied.map(|()| DeleteBucketOutput::default())
    }
}

/// The outer result is of the transaction, the inner one of the deletion.
async fn delete(
    tx: &Tx,
    ctx: &Context,
    name: &str,
    marked: &BucketRow,
) -> Result<Result<(), ServiceError>, ServiceError> {
    let mut row = own(tx, ctx, name, None).await?;
    if row.number != marked.number || row.deleting_ms != marked.deleting_ms {
        return Ok(Err(busy()));
    }
    let key = (name.to_owned(),);
    if let Err(error) = check_empty(tx, &row, name).await {
        row.deleting_ms = None;
        BUCKETS.put(tx, &key, &row)?;
        return Ok(Err(error));
    }
    BUCKETS.delete(tx, &key)?;
    OWNED.delete(tx, &(row.account.clone(), name.to_owned()))?;
    tasks::spawn_drop_bucket(tx, row.number)?;
    Ok(Ok(()))
}

async fn check_empty(tx: &Tx, row: &BucketRow, name: &str) -> Result<(), ServiceError> {
    let range = OBJECTS.prefix(&(row.number,));
    if OBJECTS.scan(tx, range, 1, false).await?.is_empty() {
        return Ok(());
    }
    let message = match row.versioning {
        Versioning::Off => "The bucket you tried to delete is not empty",
        _ => {
            "The bucket you tried to delete is not empty. You must delete all versions in the bucket."
        }
    };
    Err(ServiceError::new("BucketNotEmpty", message)
        .with_status(409)
        .with_field("BucketName", name))
}
