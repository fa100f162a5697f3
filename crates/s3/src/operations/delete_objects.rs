//! `DeleteObjects`: deletes many keys or versions, each for itself.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::delete_object::{How, action, delete};
use crate::S3;
use crate::api::s3::operations::DeleteObjects;
use crate::api::s3::shapes::{
    DeleteObjectsInput, DeleteObjectsOutput, DeletedObject, Error, ObjectIdentifier,
};
use crate::engine::bucket::{load, object_access, on, own, version_access};
use crate::engine::object::Deleted;
use crate::error::malformed_xml;
use crate::limits::DELETE_OBJECTS_MAX;

/// How many keys one transaction deletes.
const CHUNK: usize = 100;

impl Handler<DeleteObjects> for S3 {
    fn authorize(&self, _: &Context, input: &DeleteObjectsInput) -> Vec<Access> {
        let objects = input.delete.objects.iter().take(DELETE_OBJECTS_MAX);
        objects
            .flat_map(|object| {
                let version = object.version_id.as_ref();
                let bypasses = input.bypass_governance_retention == Some(true);
                let mut all = version_access("DeleteObject", &input.bucket, &object.key, version);
                if bypasses {
                    let action = "BypassGovernanceRetention";
                    all.extend(object_access(action, &input.bucket, &object.key));
                }
                all
            })
            .collect()
    }

    async fn handle(
        &self,
        ctx: Context,
        input: DeleteObjectsInput,
    ) -> Result<DeleteObjectsOutput, ServiceError> {
        let objects = input.delete.objects;
        if objects.is_empty() || objects.len() > DELETE_OBJECTS_MAX {
            return Err(malformed_xml());
        }
        let tx = ctx.store().begin().await?;
        let owner = input.expected_bucket_owner;
        if crate::store::BUCKETS.get(&tx, &(input.bucket.clone(),)).await?.is_none() {
            own(&tx, &ctx, &input.bucket, owner.as_ref()).await?;
        }
        drop(tx);
        let quiet = input.delete.quiet == Some(true);
        let bypasses = input.bypass_governance_retention == Some(true);
        let mut output = DeleteObjectsOutput::default();
        for chunk in objects.chunks(CHUNK) {
            let all = (input.bucket.clone(), owner.clone(), chunk.to_vec());
            let results = delete_chunk(&ctx, all, bypasses).await?;
            for (object, result) in chunk.iter().zip(results) {
                match result {
                    Ok(_) if quiet => {}
                    Ok(deleted) => {
                        output.deleted.get_or_insert_default().push(answer(object, deleted))
                    }
                    Err(error) => output.errors.get_or_insert_default().push(Error {
                        key: Some(object.key.clone()),
                        version_id: object.version_id.clone(),
                        code: Some(error.code().to_owned()),
                        message: Some(error.message().to_owned()),
                    }),
                }
            }
        }
        Ok(output)
    }
}

type Results = Vec<Result<Deleted, ServiceError>>;

async fn delete_chunk(
    ctx: &Context,
    input: (String, Option<String>, Vec<ObjectIdentifier>),
    bypasses: bool,
) -> Result<Results, ServiceError> {
    ctx.transact(input, move |tx, ctx, input| async move {
        let (name, owner, chunk) = &*input;
        let mut results = Vec::with_capacity(chunk.len());
        for object in chunk {
            let version = object.version_id.as_deref();
            let wanted = on(action(version), &object.key);
            let bucket = load(&tx, &ctx, name, owner.as_ref(), wanted).await?;
            let how = How { if_match: object.e_tag.as_deref(), bypasses };
            match delete(&tx, &ctx, (&bucket, name), &object.key, version, how).await {
                // The store's own failures are of the whole transaction.
                Err(error) if error.status() == Some(503) => return Err(error),
                result => results.push(result),
            }
        }
        Ok(results)
    })
    .await
}

fn answer(object: &ObjectIdentifier, deleted: Deleted) -> DeletedObject {
    let named = object.version_id.clone().filter(|version| !version.is_empty());
    DeletedObject {
        key: Some(object.key.clone()),
        delete_marker: deleted.marker.then_some(true),
        delete_marker_version_id: deleted.version_id.filter(|_| deleted.marker),
        version_id: named,
    }
}
