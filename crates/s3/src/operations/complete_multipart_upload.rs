//! `CompleteMultipartUpload`: makes an object of the parts of an upload.

use percent_encoding::utf8_percent_encode;
use undercast_kernel::{Access, Context, Handler, ServiceError};
use undercast_store::Tx;

use crate::S3;
use crate::api::s3::operations::CompleteMultipartUpload;
use crate::api::s3::shapes::{CompleteMultipartUploadInput, CompleteMultipartUploadOutput};
use crate::engine::bucket::{load_for_write, object_access, on};
use crate::engine::checksum::Algorithm;
use crate::engine::condition::WriteConditions;
use crate::engine::notify::{Event, Subject, notify};
use crate::engine::object::{self, NewObject, Source};
use crate::engine::upload::{NamedPart, Whole, assemble};
use crate::engine::{checksum, read, version};
use crate::error::{invalid, malformed_xml, no_upload};
use crate::store::{Lock, ObjectRow, UPLOADS, UploadRow, Versioning};

impl Handler<CompleteMultipartUpload> for S3 {
    fn authorize(&self, _: &Context, input: &CompleteMultipartUploadInput) -> Vec<Access> {
        object_access("PutObject", &input.bucket, &input.key)
    }

    async fn handle(
        &self,
        ctx: Context,
        mut input: CompleteMultipartUploadInput,
    ) -> Result<CompleteMultipartUploadOutput, ServiceError> {
        let conditions =
            WriteConditions::new(input.if_match.as_ref(), input.if_none_match.as_ref())?;
        let named = named(&mut input)?;
        let key = utf8_percent_encode(&input.key, super::URL).to_string().replace(' ', "%20");
        let mut output = CompleteMultipartUploadOutput {
            location: Some(format!("{}/{}/{key}", ctx.public_url(), input.bucket)),
            bucket: Some(input.bucket.clone()),
            key: Some(input.key.clone()),
            ..CompleteMultipartUploadOutput::default()
        };
        let (row, versioning) = ctx
            .transact((input, conditions, named), |tx, ctx, all| async move {
                let (input, conditions, named) = &*all;
                complete(&tx, &ctx, input, conditions, named).await
            })
            .await?;
        output.e_tag = Some(super::quoted(&row.etag));
        output.version_id = (versioning == Versioning::Enabled).then(|| version::id(&row));
        super::answer_encryption!(output, row.encryption.as_ref());
        if let Some(checksum) = &row.checksum {
            checksum::answer!(output, checksum);
            output.checksum_type = Some(checksum::kind(checksum.composite));
        }
        Ok(output)
    }
}

fn named(input: &mut CompleteMultipartUploadInput) -> Result<Vec<NamedPart>, ServiceError> {
    let parts = input.multipart_upload.take().and_then(|upload| upload.parts);
    let parts = parts.filter(|parts| !parts.is_empty()).ok_or_else(malformed_xml)?;
    let mut named: Vec<NamedPart> = Vec::with_capacity(parts.len());
    for part in parts {
        let number = part.part_number.ok_or_else(malformed_xml)?;
        if named.last().is_some_and(|last| last.number >= number) {
            return Err(ServiceError::new(
                "InvalidPartOrder",
                "The list of parts was not in ascending order. Parts must be ordered by part number.",
            )
            .with_field("UploadId", input.upload_id.as_str()));
        }
        let checksum = checksum::given!(part);
        let etag = part.e_tag.ok_or_else(malformed_xml)?;
        named.push(NamedPart { number, etag: etag.trim_matches('"').to_owned(), checksum });
    }
    Ok(named)
}

async fn complete(
    tx: &Tx,
    ctx: &Context,
    input: &CompleteMultipartUploadInput,
    conditions: &WriteConditions,
    named: &[NamedPart],
) -> Result<(ObjectRow, Versioning), ServiceError> {
    let owner = input.expected_bucket_owner.as_ref();
    let wanted = on("PutObject", &input.key);
    let bucket = load_for_write(tx, ctx, &input.bucket, owner, wanted).await?;
    let latest = read::latest(tx, &bucket, &input.key).await?;
    let at = (bucket.number, input.key.clone(), input.upload_id.clone());
    let Some(upload) = UPLOADS.get(tx, &at).await? else {
        // A client that did not get the answer asks again.
        let done = latest.filter(|row| row.upload.as_ref() == Some(&input.upload_id));
        let done = done.ok_or_else(|| no_upload(&input.upload_id))?;
        return Ok((done, bucket.versioning));
    };
    conditions.check(&input.key, latest.as_ref())?;
    let changed = latest.as_ref().is_some_and(|row| row.modified_ms > upload.initiated_ms);
    if changed && input.if_match.is_some() {
        return Err(ServiceError::new(
            "ConditionalRequestConflict",
            "The conditional request cannot succeed due to a conflicting operation against this resource.",
        )
        .with_status(409)
        .with_field("Condition", "If-Match")
        .with_field("Key", input.key.as_str()));
    }
    let whole = assemble(tx, &bucket, &upload, &input.upload_id, named).await?;
    check_whole(input, &upload, &whole)?;
    UPLOADS.delete(tx, &at)?;
    let source = Source::Parts { id: upload.id, count: whole.count };
    let new = NewObject {
        key: upload.key,
        etag: whole.etag,
        size: whole.size,
        checksum: whole.checksum,
        properties: upload.properties,
        tags: upload.tags,
        storage_class: upload.storage_class,
        encryption: upload.encryption,
        upload: Some(input.upload_id.clone()),
        lock: Lock::default(),
    };
    let row = object::put(tx, &bucket, latest, new, source).await?;
    let subject = Subject::written(&bucket, &row);
    notify(tx, ctx, &bucket, &input.bucket, Event::CompleteMultipartUpload, &subject).await?;
    Ok((row, bucket.versioning))
}

/// Compares what the request says of the whole.
fn check_whole(
    input: &CompleteMultipartUploadInput,
    upload: &UploadRow,
    whole: &Whole,
) -> Result<(), ServiceError> {
    let size = i64::try_from(whole.size).unwrap_or(i64::MAX);
    if let Some(expected) = input.mpu_object_size.filter(|expected| *expected != size) {
        return Err(invalid(format!(
            "The provided 'x-amz-mp-object-size' header value {expected} does not match what was computed: {size}"
        )));
    }
    let kind = checksum::kind(upload.composite);
    if input.checksum_type.as_ref().is_some_and(|asked| *asked != kind) {
        return Err(invalid(format!(
            "The upload was created using the {kind} checksum mode. The complete request must use the same checksum mode."
        )));
    }
    let given: Option<(Algorithm, String)> = checksum::given!(input);
    let (Some((algorithm, value)), Some(have)) = (given, &whole.checksum) else {
        return Ok(());
    };
    let have_value = have.value.split('-').next().unwrap_or_default();
    let value = value.split('-').next().unwrap_or_default();
    if have.algorithm != algorithm.name() || have_value != value {
        return Err(ServiceError::new(
            "BadDigest",
            format!(
                "The {} you specified did not match the calculated checksum.",
                have.algorithm.to_lowercase()
            ),
        ));
    }
    Ok(())
}
