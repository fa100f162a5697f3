//! Finding a version and streaming its content.

use std::ops::Range;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use undercast_kernel::{Context, ServiceError};
use undercast_smithy::{Body, BodyError};
use undercast_store::{BlobId, Tx};

use super::object::is;
use super::version::{self, Version};
use crate::error;
use crate::store::{
    BucketRow, CONTENTS, Content, OBJECTS, ObjectRow, PARTS, PartRow, VERSIONS, Versioning,
};

/// How many part rows one read takes.
const PARTS_PAGE: usize = 1_000;

pub(crate) async fn latest(
    tx: &Tx,
    bucket: &BucketRow,
    key: &str,
) -> Result<Option<ObjectRow>, ServiceError> {
    Ok(OBJECTS.get(tx, &(bucket.number, key.to_owned())).await?)
}

/// A version of a key, the latest if none is named; delete markers are errors.
pub(crate) async fn find(
    tx: &Tx,
    bucket: &BucketRow,
    key: &str,
    id: Option<&str>,
    method: &str,
) -> Result<ObjectRow, ServiceError> {
    let row = find_any(tx, bucket, key, id).await?;
    match (row.marker, id) {
        (false, _) => Ok(row),
        (true, None) => Err(error::no_key(key)
            .with_header("x-amz-delete-marker", "true")
            .with_header("x-amz-version-id", version::id(&row))),
        (true, Some(id)) => Err(error::is_marker(method, id)),
    }
}

/// The same, where a delete marker is as good as any.
pub(crate) async fn find_any(
    tx: &Tx,
    bucket: &BucketRow,
    key: &str,
    id: Option<&str>,
) -> Result<ObjectRow, ServiceError> {
    let latest = latest(tx, bucket, key).await?;
    let Some(id) = id else {
        return latest.ok_or_else(|| error::no_key(key));
    };
    let wanted = version::parse(id).ok_or_else(|| error::version_id(id))?;
    let missing = || error::no_version(key, id);
    let latest = latest.ok_or_else(missing)?;
    if is(&latest, wanted) {
        return Ok(latest);
    }
    let number = match wanted {
        Version::Number(number) => number,
        Version::Null => latest.null_number.ok_or_else(missing)?,
    };
    let row = VERSIONS.get(tx, &(bucket.number, key.to_owned(), !number)).await?;
    row.filter(|row| is(row, wanted)).ok_or_else(missing)
}

/// The version id as answers carry it: not at all while versioning was never enabled.
pub(crate) fn version_id(bucket: &BucketRow, row: &ObjectRow) -> Option<String> {
    (bucket.versioning != Versioning::Off).then(|| version::id(row))
}

/// The content of an object, or a part of it.
pub(crate) async fn open(
    ctx: &Context,
    tx: &Tx,
    bucket: u64,
    row: &ObjectRow,
    range: Range<u64>,
) -> Result<Body, ServiceError> {
    match &row.content {
        Content::Inline(bytes) => Ok(slice(Bytes::from(bytes.to_vec()), range)),
        Content::Row => {
            let bytes = CONTENTS.get(tx, &(bucket, row.id)).await?;
            let bytes =
                bytes.ok_or_else(|| ServiceError::internal("content of an object is missing"))?;
            Ok(slice(Bytes::from(bytes.into_vec()), range))
        }
        Content::Blob(blob) => Ok(stream(ctx, vec![(*blob, range)])),
        Content::Parts(_) => Ok(stream(ctx, pieces(&parts(tx, bucket, row.id).await?, range))),
    }
}

fn slice(bytes: Bytes, range: Range<u64>) -> Body {
    let at = |n: u64| usize::try_from(n).unwrap_or(usize::MAX).min(bytes.len());
    let (start, end) = (at(range.start), at(range.end));
    Body::from_bytes(bytes.slice(start.min(end)..end))
}

/// All parts of an upload or object, in order.
pub(crate) async fn parts(
    tx: &Tx,
    bucket: u64,
    id: u64,
) -> Result<Vec<(u32, PartRow)>, ServiceError> {
    let mut all = Vec::new();
    let mut range = PARTS.prefix(&(bucket, id));
    loop {
        let page = PARTS.scan(tx, range, PARTS_PAGE, false).await?;
        let last = page.last().map(|(key, _)| *key);
        let full = page.len() == PARTS_PAGE;
        all.extend(page.into_iter().map(|((_, _, number), row)| (number, row)));
        match last.filter(|_| full) {
            Some(last) => range = PARTS.after(&(bucket, id), &last),
            None => return Ok(all),
        }
    }
}

/// What has to be read of each part.
fn pieces(parts: &[(u32, PartRow)], range: Range<u64>) -> Vec<(BlobId, Range<u64>)> {
    let mut pieces = Vec::new();
    let mut offset = 0;
    for (_, part) in parts {
        let end = offset + part.size();
        let start = range.start.max(offset);
        let stop = range.end.min(end);
        if start < stop {
            pieces.push((part.blob, start - offset..stop - offset));
        }
        offset = end;
    }
    pieces
}

/// Blobs one after another, each opened when it is its turn.
pub(crate) fn stream(ctx: &Context, pieces: Vec<(BlobId, Range<u64>)>) -> Body {
    let length = pieces.iter().map(|(_, range)| range.end - range.start).sum();
    let blobs = ctx.store().blobs().clone();
    let broken = |error: undercast_store::Error| BodyError::Broken(error.to_string());
    let content = futures::stream::iter(pieces)
        .then(move |(blob, range)| {
            let blobs = blobs.clone();
            async move { blobs.stream(&blob, Some(range)).await }
        })
        .try_flatten()
        .map_err(broken)
        .boxed();
    Body::from_stream(content, Some(length))
}
