//! `GetObjectAttributes`: what is known of an object, as far as it is asked for.

use undercast_kernel::{Access, Context, Handler, ServiceError};
use undercast_smithy::Timestamp;
use undercast_store::Tx;

use super::{list_size, size, storage_class_name};
use crate::S3;
use crate::api::s3::operations::GetObjectAttributes;
use crate::api::s3::shapes::{
    Checksum, GetObjectAttributesInput, GetObjectAttributesOutput, GetObjectAttributesParts,
    ObjectPart,
};
use crate::engine::bucket::{load, on, version_access};
use crate::engine::{checksum, read};
use crate::error::argument;
use crate::store::{BucketRow, Content, ObjectRow};

impl Handler<GetObjectAttributes> for S3 {
    fn authorize(&self, _: &Context, input: &GetObjectAttributesInput) -> Vec<Access> {
        let version = input.version_id.as_ref();
        let mut accesses = version_access("GetObject", &input.bucket, &input.key, version);
        let action = match version {
            Some(_) => "s3:GetObjectVersionAttributes",
            None => "s3:GetObjectAttributes",
        };
        let resource = accesses.first().map(|access| access.resource.clone());
        accesses.extend(resource.map(|resource| Access::new(action, resource)));
        accesses
    }

    async fn handle(
        &self,
        ctx: Context,
        input: GetObjectAttributesInput,
    ) -> Result<GetObjectAttributesOutput, ServiceError> {
        let known = ["ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"];
        let asked = &input.object_attributes;
        if let Some(other) = asked.iter().find(|a| !known.contains(&a.as_str())) {
            return Err(argument(
                "x-amz-object-attributes",
                other,
                "Invalid attribute name specified.",
            ));
        }
        let wants = |name: &str| asked.iter().any(|asked| asked == name);
        let tx = ctx.store().begin().await?;
        let owner = input.expected_bucket_owner.as_ref();
        let wanted = on("GetObjectAttributes", &input.key);
        let bucket = load(&tx, &ctx, &input.bucket, owner, wanted).await?;
        let version = input.version_id.as_deref();
        let row = read::find(&tx, &bucket, &input.key, version, "GET").await?;
        let object_parts = match wants("ObjectParts") {
            true => parts(&tx, &bucket, &row, &input).await?,
            false => None,
        };
        Ok(GetObjectAttributesOutput {
            last_modified: Some(Timestamp::from_millis(row.modified_ms)),
            version_id: read::version_id(&bucket, &row),
            e_tag: wants("ETag").then(|| row.etag.clone()),
            checksum: row.checksum.as_ref().filter(|_| wants("Checksum")).map(whole),
            object_parts,
            storage_class: wants("StorageClass").then(|| storage_class_name(&row)),
            object_size: wants("ObjectSize").then(|| size(&row)),
            ..GetObjectAttributesOutput::default()
        })
    }
}

fn whole(row: &crate::store::Checksum) -> Checksum {
    let mut bare = row.clone();
    if let Some((value, _)) = bare.value.clone().split_once('-') {
        value.clone_into(&mut bare.value);
    }
    let mut out =
        Checksum { checksum_type: Some(checksum::kind(row.composite)), ..Checksum::default() };
    checksum::answer!(out, &bare);
    out
}

/// Only parts with checksums that were asked for are told one by one.
async fn parts(
    tx: &Tx,
    bucket: &BucketRow,
    row: &ObjectRow,
    input: &GetObjectAttributesInput,
) -> Result<Option<GetObjectAttributesParts>, ServiceError> {
    let Content::Parts(count) = row.content else {
        return Ok(None);
    };
    let mut out = GetObjectAttributesParts {
        total_parts_count: i32::try_from(count).ok(),
        ..GetObjectAttributesParts::default()
    };
    let (max_parts, max) = list_size("max-parts", input.max_parts)?;
    let marker = input.part_number_marker.unwrap_or(0);
    let after = u32::try_from(marker).unwrap_or(0);
    let all = read::parts(tx, bucket.number, row.id).await?;
    if all.iter().all(|(_, part)| part.told().is_none()) {
        return Ok(Some(out));
    }
    let rest: Vec<_> = all.into_iter().filter(|(number, _)| *number > after).collect();
    let parts = rest.iter().take(max).map(|(number, row)| {
        let mut part = ObjectPart {
            part_number: i32::try_from(*number).ok(),
            size: i64::try_from(row.size()).ok(),
            ..ObjectPart::default()
        };
        if let Some(checksum) = row.told() {
            checksum::answer!(part, checksum);
        }
        part
    });
    let parts: Vec<ObjectPart> = parts.collect();
    out.is_truncated = Some(rest.len() > max);
    out.max_parts = Some(max_parts);
    out.part_number_marker = Some(marker);
    out.next_part_number_marker = parts.last().map_or(Some(0), |part| part.part_number);
    out.parts = Some(parts);
    Ok(Some(out))
}
