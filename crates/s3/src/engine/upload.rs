//! Uploads in parts.

use bytes::Bytes;
use md5::{Digest as _, Md5};
use undercast_kernel::{Context, ServiceError};
use undercast_smithy::Body;
use undercast_store::{BlobId, Tx};

use super::checksum::{self, Algorithm};
use super::ingest::{self, Ingested, Taken, Wanted};
use super::object::link;
use super::read;
use crate::error::{argument, invalid, invalid_part, no_upload};
use crate::limits::{
    OBJECT_BYTES_MAX, PART_BYTES_MIN, PART_NUMBER_MAX, PUT_BYTES_MAX, ROW_BYTES_MAX,
};
use crate::store::{BucketRow, Checksum, PARTS, PartRow, UPLOADS, UploadRow};

/// Ids that order by time, so that lists do.
pub(crate) fn new_id(tx: &Tx) -> String {
    format!("{:012x}.{}", tx.now_ms(), tx.ids().alphanumeric(51))
}

pub(crate) async fn require(
    tx: &Tx,
    bucket: &BucketRow,
    key: &str,
    id: &str,
) -> Result<UploadRow, ServiceError> {
    let row = UPLOADS.get(tx, &(bucket.number, key.to_owned(), id.to_owned())).await?;
    row.ok_or_else(|| no_upload(id))
}

pub(crate) fn part_number(number: i32) -> Result<u32, ServiceError> {
    let valid = (1..=PART_NUMBER_MAX).contains(&number);
    u32::try_from(number).ok().filter(|_| valid).ok_or_else(|| {
        argument(
            "partNumber",
            &number.to_string(),
            "Part number must be an integer between 1 and 10000, inclusive",
        )
    })
}

/// A part that has come in.
#[derive(Debug, Clone)]
pub(crate) struct NewPart {
    pub(crate) blob: BlobId,
    pub(crate) etag: String,
    pub(crate) checksum: Checksum,
}

/// Takes a part's content in. The checksum is the one that the upload is completed with, whatever
/// the caller gave.
pub(crate) async fn take(
    ctx: &Context,
    upload: &UploadRow,
    body: Body,
    given: Option<(Algorithm, String)>,
) -> Result<NewPart, ServiceError> {
    let asked = upload.checksum_algorithm.as_deref().map(checksum::parse).transpose()?;
    let given = match (asked, given) {
        (Some(asked), Some((algorithm, _))) if asked != algorithm => {
            return Err(invalid(format!(
                "Checksum Type mismatch occurred, expected checksum Type: {}, actual checksum Type: {}",
                asked.name().to_lowercase(),
                algorithm.name().to_lowercase(),
            )));
        }
        (Some(_), given) => given,
        (None, given) => given.filter(|(algorithm, _)| *algorithm == Algorithm::Crc64Nvme),
    };
    let wanted = Wanted::new(given, upload.checksum_algorithm.as_deref())?;
    kept(ctx, ingest::take(ctx, body, wanted, ROW_BYTES_MAX, PUT_BYTES_MAX).await?).await
}

pub(crate) async fn kept(ctx: &Context, taken: Ingested) -> Result<NewPart, ServiceError> {
    let blob = match taken.content {
        Taken::Blob(blob) => blob,
        Taken::Bytes(bytes) => ctx.store().blobs().put(Bytes::clone(&bytes)).await?,
    };
    Ok(NewPart { blob, etag: taken.md5, checksum: taken.checksum })
}

/// Puts a part into its upload; an earlier one of the same number goes.
pub(crate) async fn put_part(
    tx: &Tx,
    bucket: &BucketRow,
    key: &str,
    id: &str,
    number: u32,
    new: &NewPart,
) -> Result<PartRow, ServiceError> {
    let mut upload = require(tx, bucket, key, id).await?;
    let at = (bucket.number, upload.id, number);
    if let Some(old) = PARTS.get(tx, &at).await? {
        tx.unlink_blob(&old.blob, &link(bucket.number, old.link))?;
    }
    let row = PartRow {
        blob: new.blob,
        link: tx.ids().u64(),
        etag: new.etag.clone(),
        modified_ms: tx.now_ms(),
        checksum: Some(new.checksum.clone()),
        asked: upload.checksum_algorithm.is_some(),
    };
    tx.link_blob(&row.blob, &link(bucket.number, row.link))?;
    PARTS.put(tx, &at, &row)?;
    upload.changes += 1;
    UPLOADS.put(tx, &(bucket.number, key.to_owned(), id.to_owned()), &upload)?;
    Ok(row)
}

/// A part as a completion names it.
#[derive(Debug, Clone)]
pub(crate) struct NamedPart {
    pub(crate) number: i32,
    pub(crate) etag: String,
    pub(crate) checksum: Option<(Algorithm, String)>,
}

/// What an upload will be as an object.
pub(crate) struct Whole {
    pub(crate) etag: String,
    pub(crate) size: u64,
    pub(crate) count: u32,
    pub(crate) checksum: Option<Checksum>,
}

/// Checks the named parts, lets go of all others, and says what they make.
pub(crate) async fn assemble(
    tx: &Tx,
    bucket: &BucketRow,
    upload: &UploadRow,
    id: &str,
    named: &[NamedPart],
) -> Result<Whole, ServiceError> {
    let mut have = read::parts(tx, bucket.number, upload.id).await?.into_iter();
    let mut parts: Vec<(u32, PartRow)> = Vec::with_capacity(named.len());
    let mut unnamed = Vec::new();
    let missing = |part: &NamedPart| invalid_part(part.number, &part.etag, id);
    for part in named {
        loop {
            let (number, row) = have.next().ok_or_else(|| missing(part))?;
            if i64::from(number) > i64::from(part.number) {
                return Err(missing(part));
            }
            if i64::from(number) == i64::from(part.number) {
                check_part(upload, part, &row, id)?;
                parts.push((number, row));
                break;
            }
            unnamed.push((number, row));
        }
    }
    unnamed.extend(have);
    check_sizes(&parts)?;
    for (number, row) in unnamed {
        tx.unlink_blob(&row.blob, &link(bucket.number, row.link))?;
        PARTS.delete(tx, &(bucket.number, upload.id, number))?;
    }
    whole(upload, &parts)
}

fn check_part(
    upload: &UploadRow,
    named: &NamedPart,
    row: &PartRow,
    id: &str,
) -> Result<(), ServiceError> {
    let wrong = || invalid_part(named.number, &named.etag, id);
    if named.etag != row.etag {
        return Err(wrong());
    }
    match (&named.checksum, &row.checksum) {
        (Some((algorithm, value)), Some(have))
            if row.asked && (have.algorithm != algorithm.name() || have.value != *value) =>
        {
            return Err(wrong());
        }
        (None, Some(have)) if row.asked && upload.composite => {
            return Err(invalid(format!(
                "The upload was created using a {} checksum. The complete request must include the checksum for each part. It was missing for part {} in the request.",
                have.algorithm.to_lowercase(),
                named.number,
            )));
        }
        _ => {}
    }
    Ok(())
}

fn check_sizes(parts: &[(u32, PartRow)]) -> Result<(), ServiceError> {
    let all_but_last = parts.len().saturating_sub(1);
    let small = parts.iter().take(all_but_last).find(|(_, row)| row.size() < PART_BYTES_MIN);
    if let Some((number, row)) = small {
        return Err(ServiceError::new(
            "EntityTooSmall",
            "Your proposed upload is smaller than the minimum allowed size",
        )
        .with_field("ProposedSize", row.size())
        .with_field("MinSizeAllowed", PART_BYTES_MIN)
        .with_field("PartNumber", *number)
        .with_field("ETag", row.etag.as_str()));
    }
    let size: u64 = parts.iter().map(|(_, row)| row.size()).sum();
    if size > OBJECT_BYTES_MAX {
        return Err(crate::error::too_large(OBJECT_BYTES_MAX));
    }
    Ok(())
}

fn whole(upload: &UploadRow, parts: &[(u32, PartRow)]) -> Result<Whole, ServiceError> {
    let mut md5 = Md5::new();
    for (_, row) in parts {
        md5.update(hex::decode(&row.etag).map_err(ServiceError::internal)?);
    }
    let algorithm = match &upload.checksum_algorithm {
        Some(name) => checksum::parse(name)?,
        None => Algorithm::Crc64Nvme,
    };
    let checksums: Vec<(&Checksum, u64)> =
        parts.iter().filter_map(|(_, row)| Some((row.checksum.as_ref()?, row.size()))).collect();
    let checksum = if upload.composite {
        checksum::composite(algorithm, &checksums)
    } else {
        checksum::combined(algorithm, &checksums)
    };
    Ok(Whole {
        etag: format!("{}-{}", hex::encode(md5.finalize()), parts.len()),
        size: parts.iter().map(|(_, row)| row.size()).sum(),
        count: u32::try_from(parts.len()).unwrap_or(u32::MAX),
        checksum,
    })
}
