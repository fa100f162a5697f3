//! `DeleteObject`: deletes a key, or one version of it.

use undercast_kernel::{Access, Context, Handler, ServiceError};
use undercast_store::Tx;

use crate::S3;
use crate::api::s3::operations::DeleteObject;
use crate::api::s3::shapes::{DeleteObjectInput, DeleteObjectOutput};
use crate::engine::bucket::{load, object_access, on, version_access};
use crate::engine::notify::{Event, Subject, notify};
use crate::engine::object::{self, Deleted};
use crate::engine::{condition, read};
use crate::error::{not_implemented_header, precondition};
use crate::store::BucketRow;

impl Handler<DeleteObject> for S3 {
    fn authorize(&self, _: &Context, input: &DeleteObjectInput) -> Vec<Access> {
        let version = input.version_id.as_ref();
        let mut all = version_access("DeleteObject", &input.bucket, &input.key, version);
        if input.bypass_governance_retention == Some(true) {
            all.extend(object_access("BypassGovernanceRetention", &input.bucket, &input.key));
        }
        all
    }

    async fn handle(
        &self,
        ctx: Context,
        input: DeleteObjectInput,
    ) -> Result<DeleteObjectOutput, ServiceError> {
        if input.if_match_size.is_some() || input.if_match_last_modified_time.is_some() {
            return Err(not_implemented_header(
                "x-amz-if-match-size",
                "We don't accept the provided value of x-amz-if-match-size header for this API",
            ));
        }
        let deleted = ctx
            .transact(input, |tx, ctx, input| async move {
                let owner = input.expected_bucket_owner.as_ref();
                let version = input.version_id.as_deref();
                let wanted = on(action(version), &input.key);
                let bucket = load(&tx, &ctx, &input.bucket, owner, wanted).await?;
                let how = How {
                    if_match: input.if_match.as_deref(),
                    bypasses: input.bypass_governance_retention == Some(true),
                };
                delete(&tx, &ctx, (&bucket, &input.bucket), &input.key, version, how).await
            })
            .await?;
        Ok(DeleteObjectOutput {
            delete_marker: deleted.marker.then_some(true),
            version_id: deleted.version_id,
            request_charged: None,
        })
    }
}

pub(super) fn action(version: Option<&str>) -> &'static str {
    match version {
        Some(_) => "DeleteObjectVersion",
        None => "DeleteObject",
    }
}

/// Under which condition, and whether in spite of a lock of governance.
#[derive(Debug, Clone, Copy)]
pub(super) struct How<'a> {
    pub(super) if_match: Option<&'a str>,
    pub(super) bypasses: bool,
}

pub(super) async fn delete(
    tx: &Tx,
    ctx: &Context,
    (bucket, name): (&BucketRow, &str),
    key: &str,
    version: Option<&str>,
    how: How<'_>,
) -> Result<Deleted, ServiceError> {
    let latest = read::latest(tx, bucket, key).await?;
    if let Some(list) = how.if_match {
        let live = latest.as_ref().filter(|row| !row.marker);
        match live {
            Some(row) if condition::matches(list, &row.etag) => {}
            None if list.trim_matches('"') != "*" => return Err(crate::error::no_key(key)),
            _ => return Err(precondition("If-Match")),
        }
    }
    let version = version.filter(|version| !version.is_empty());
    let deleted = match version {
        Some(version) => {
            object::delete_version(tx, bucket, key, version, latest, how.bypasses).await?
        }
        None => object::delete(tx, bucket, key, latest).await?,
    };
    let event = match deleted.marker && version.is_none() {
        true => Event::DeleteMarkerCreated,
        false => Event::Delete,
    };
    if let Some(subject) = Subject::deleted(key, &deleted, event) {
        notify(tx, ctx, bucket, name, event, &subject).await?;
    }
    Ok(deleted)
}
