//! `ListParts`: the parts of an upload.

use undercast_kernel::{Access, Context, Handler, ServiceError};
use undercast_smithy::Timestamp;

use super::{list_size, owner, quoted};
use crate::S3;
use crate::api::s3::operations::ListParts;
use crate::api::s3::shapes::{Initiator, ListPartsInput, ListPartsOutput, Part};
use crate::engine::bucket::{load, object_access, on};
use crate::engine::{checksum, upload};
use crate::store::{PARTS, PartRow};

impl Handler<ListParts> for S3 {
    fn authorize(&self, _: &Context, input: &ListPartsInput) -> Vec<Access> {
        object_access("ListMultipartUploadParts", &input.bucket, &input.key)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: ListPartsInput,
    ) -> Result<ListPartsOutput, ServiceError> {
        let (max_parts, max) = list_size("max-parts", input.max_parts)?;
        let tx = ctx.store().begin().await?;
        let expected = input.expected_bucket_owner.as_ref();
        let wanted = on("ListMultipartUploadParts", &input.key);
        let bucket = load(&tx, &ctx, &input.bucket, expected, wanted).await?;
        let row = upload::require(&tx, &bucket, &input.key, &input.upload_id).await?;
        let marker = input.part_number_marker.unwrap_or(0);
        let after = u32::try_from(marker).unwrap_or(0);
        let scope = (bucket.number, row.id);
        let range = PARTS.after(&scope, &(scope.0, scope.1, after));
        let mut rows = PARTS.scan(&tx, range, max + 1, false).await?;
        let truncated = rows.len() > max;
        rows.truncate(max);
        let parts: Vec<Part> = rows.iter().map(|(key, row)| part(key.2, row)).collect();
        let last = parts.last().and_then(|part| part.part_number);
        Ok(ListPartsOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            upload_id: Some(input.upload_id),
            part_number_marker: Some(marker),
            next_part_number_marker: last.or(Some(0)),
            max_parts: Some(max_parts),
            is_truncated: Some(truncated),
            parts: Some(parts).filter(|parts| !parts.is_empty()),
            initiator: Some(initiator(&row.initiator)),
            owner: Some(owner(&bucket.account)),
            storage_class: Some(row.storage_class.unwrap_or_else(|| "STANDARD".to_owned())),
            checksum_type: row.checksum_algorithm.as_ref().map(|_| checksum::kind(row.composite)),
            checksum_algorithm: row.checksum_algorithm,
            ..ListPartsOutput::default()
        })
    }
}

pub(super) fn initiator(arn: &str) -> Initiator {
    let name = arn.rsplit(['/', ':']).next().unwrap_or_default();
    Initiator { id: Some(arn.to_owned()), display_name: Some(name.to_owned()) }
}

fn part(number: u32, row: &PartRow) -> Part {
    let mut part = Part {
        part_number: i32::try_from(number).ok(),
        last_modified: Some(Timestamp::from_millis(row.modified_ms)),
        e_tag: Some(quoted(&row.etag)),
        size: i64::try_from(row.size()).ok(),
        ..Part::default()
    };
    if let Some(checksum) = row.told() {
        checksum::answer!(part, checksum);
    }
    part
}
