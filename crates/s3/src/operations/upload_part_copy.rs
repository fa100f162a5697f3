//! `UploadPartCopy`: one part of an upload, taken from an object.

use std::ops::Range;

use undercast_kernel::{Access, Context, Handler, ServiceError};
use undercast_smithy::Timestamp;

use crate::S3;
use crate::api::s3::operations::UploadPartCopy;
use crate::api::s3::shapes::{CopyPartResult, UploadPartCopyInput, UploadPartCopyOutput};
use crate::engine::bucket::{load, load_for_write, object_access, on, version_access};
use crate::engine::checksum::{self, Algorithm};
use crate::engine::condition::Conditions;
use crate::engine::copy::{self, Place};
use crate::engine::{read, upload};
use crate::error::{argument, invalid};
use crate::limits::ROW_BYTES_MAX;

impl Handler<UploadPartCopy> for S3 {
    fn authorize(&self, _: &Context, input: &UploadPartCopyInput) -> Vec<Access> {
        let mut accesses = object_access("PutObject", &input.bucket, &input.key);
        if let Ok(place) = Place::parse(&input.copy_source) {
            let version = place.version.as_ref();
            accesses.extend(version_access("GetObject", &place.bucket, &place.key, version));
        }
        accesses
    }

    async fn handle(
        &self,
        ctx: Context,
        input: UploadPartCopyInput,
    ) -> Result<UploadPartCopyOutput, ServiceError> {
        let number = upload::part_number(input.part_number)?;
        let place = Place::parse(&input.copy_source)?;
        let tx = ctx.store().begin().await?;
        let owner = input.expected_bucket_owner.as_ref();
        let target = load(&tx, &ctx, &input.bucket, owner, on("PutObject", &input.key)).await?;
        let begun = upload::require(&tx, &target, &input.key, &input.upload_id).await?;
        let conditions = Conditions {
            if_match: input.copy_source_if_match.as_deref(),
            if_none_match: input.copy_source_if_none_match.as_deref(),
            if_modified_since: input.copy_source_if_modified_since,
            if_unmodified_since: input.copy_source_if_unmodified_since,
        };
        let owner = input.expected_source_bucket_owner.as_ref();
        let (bucket, source) = copy::find(&ctx, &tx, &place, owner, &conditions).await?;
        let range = match &input.copy_source_range {
            Some(text) => range(text, source.size)?,
            None => 0..source.size,
        };
        let algorithm = match &begun.checksum_algorithm {
            Some(name) => checksum::parse(name)?,
            None => Algorithm::Crc64Nvme,
        };
        let taken =
            copy::through(&ctx, &tx, &bucket, &source, range, algorithm, ROW_BYTES_MAX).await?;
        drop(tx);
        let part = upload::kept(&ctx, taken).await?;
        let row = ctx
            .transact((input, part), |tx, ctx, all| async move {
                let (input, part) = &*all;
                let owner = input.expected_bucket_owner.as_ref();
                let wanted = on("PutObject", &input.key);
                let bucket = load_for_write(&tx, &ctx, &input.bucket, owner, wanted).await?;
                upload::put_part(&tx, &bucket, &input.key, &input.upload_id, number, part).await
            })
            .await?;
        let mut result = CopyPartResult {
            e_tag: Some(super::quoted(&row.etag)),
            last_modified: Some(Timestamp::from_millis(row.modified_ms)),
            ..CopyPartResult::default()
        };
        if let Some(checksum) = row.told() {
            checksum::answer!(result, checksum);
        }
        let mut output = UploadPartCopyOutput {
            copy_part_result: Some(result),
            copy_source_version_id: read::version_id(&bucket, &source),
            ..UploadPartCopyOutput::default()
        };
        super::answer_encryption!(output, begun.encryption.as_ref());
        Ok(output)
    }
}

fn range(text: &str, size: u64) -> Result<Range<u64>, ServiceError> {
    let name = "x-amz-copy-source-range";
    let malformed = || {
        argument(
            name,
            text,
            "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy",
        )
    };
    let digits = |text: &str| {
        let valid = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        valid.then(|| text.parse::<u64>().ok()).flatten()
    };
    let (first, last) = text
        .strip_prefix("bytes=")
        .and_then(|range| range.split_once('-'))
        .and_then(|(first, last)| Some((digits(first)?, digits(last)?)))
        .filter(|(first, last)| first <= last)
        .ok_or_else(malformed)?;
    if first >= size {
        return Err(invalid("The specified copy range is invalid for the source object size"));
    }
    if last >= size {
        return Err(argument(
            name,
            text,
            format!("Range specified is not valid for source object of size: {size}"),
        ));
    }
    Ok(first..last + 1)
}
