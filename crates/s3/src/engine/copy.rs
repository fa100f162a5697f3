//! The source of a copy.

use std::ops::Range;

use percent_encoding::percent_decode_str;
use undercast_kernel::{Context, ServiceError};
use undercast_store::Tx;

use super::bucket::{load, on};
use super::checksum::{self, Algorithm};
use super::condition::Conditions;
use super::ingest::{self, Ingested, Wanted};
use super::object::Source;
use super::read;
use crate::error::{argument, invalid};
use crate::limits::{PUT_BYTES_MAX, ROW_BYTES_MAX};
use crate::store::{BucketRow, Checksum, Content, ObjectRow};

/// `bucket/key?versionId=…`, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) bucket: String,
    pub(crate) key: String,
    pub(crate) version: Option<String>,
}

impl Place {
    pub(crate) fn parse(text: &str) -> Result<Self, ServiceError> {
        let refused = || {
            argument(
                "x-amz-copy-source",
                text,
                "Copy Source must mention the source bucket and key: sourcebucket/sourcekey",
            )
        };
        let (path, version) = match text.split_once("?versionId=") {
            Some((path, version)) => (path, Some(version.to_owned())),
            None => (text, None),
        };
        let path = percent_decode_str(path).decode_utf8().map_err(|_| refused())?;
        let path = path.strip_prefix('/').unwrap_or(&path);
        let (bucket, key) = path.split_once('/').ok_or_else(refused)?;
        if bucket.is_empty() || key.is_empty() {
            return Err(refused());
        }
        Ok(Self {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            version: version.filter(|version| !version.is_empty()),
        })
    }

    pub(crate) fn action(&self) -> &'static str {
        match self.version {
            Some(_) => "GetObjectVersion",
            None => "GetObject",
        }
    }
}

/// The object that is copied, checked.
pub(crate) async fn find(
    ctx: &Context,
    tx: &Tx,
    place: &Place,
    owner: Option<&String>,
    conditions: &Conditions<'_>,
) -> Result<(BucketRow, ObjectRow), ServiceError> {
    let wanted = on(place.action(), &place.key);
    let bucket = load(tx, ctx, &place.bucket, owner, wanted).await?;
    let version = place.version.as_deref();
    let row = read::find_any(tx, &bucket, &place.key, version).await?;
    match (row.marker, version) {
        (true, Some(_)) => {
            return Err(invalid(
                "The source of a copy request may not specifically refer to a delete marker by version id.",
            ));
        }
        (true, None) => return Err(crate::error::no_key(&place.key)),
        _ => {}
    }
    conditions.check_source(&row, ctx.now_ms())?;
    Ok((bucket, row))
}

/// Content that can be put elsewhere, with its digests.
pub(crate) struct Copied {
    pub(crate) source: Source,
    pub(crate) md5: String,
    pub(crate) checksum: Option<Checksum>,
    /// The content is the source's own blob, which only its row keeps.
    pub(crate) borrowed: bool,
}

/// Takes the content of the whole object: by name where the digests are known, else read through.
pub(crate) async fn content(
    ctx: &Context,
    tx: &Tx,
    bucket: &BucketRow,
    row: &ObjectRow,
    algorithm: Option<&str>,
) -> Result<Copied, ServiceError> {
    if row.size > PUT_BYTES_MAX {
        return Err(invalid(
            "The specified copy source is larger than the maximum allowable size for a copy source: 5368709120",
        ));
    }
    let own = row.checksum.as_ref().map(|c| c.algorithm.as_str());
    let algorithm = match algorithm.or(own) {
        Some(name) => checksum::parse(name)?,
        None => Algorithm::Crc64Nvme,
    };
    let known =
        own == Some(algorithm.name()) && row.checksum.as_ref().is_some_and(|c| !c.composite);
    if let (Content::Blob(blob), true) = (&row.content, known) {
        return Ok(Copied {
            source: Source::Blob(*blob),
            md5: row.etag.clone(),
            checksum: row.checksum.clone(),
            borrowed: true,
        });
    }
    let taken = through(ctx, tx, bucket, row, 0..row.size, algorithm, ROW_BYTES_MAX).await?;
    Ok(Copied {
        md5: taken.md5,
        checksum: Some(taken.checksum),
        source: Source::from(taken.content),
        borrowed: false,
    })
}

/// Reads a range of the content through, as if it had been sent.
pub(crate) async fn through(
    ctx: &Context,
    tx: &Tx,
    bucket: &BucketRow,
    row: &ObjectRow,
    range: Range<u64>,
    algorithm: Algorithm,
    memory_max: usize,
) -> Result<Ingested, ServiceError> {
    let body = read::open(ctx, tx, bucket.number, row, range).await?;
    let wanted = Wanted::Calculated(algorithm);
    ingest::take(ctx, body, wanted, memory_max, PUT_BYTES_MAX).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read() {
        let place = Place::parse("/b/a%20b/c?versionId=v").unwrap();
        assert_eq!((place.bucket.as_str(), place.key.as_str()), ("b", "a b/c"));
        assert_eq!(place.version.as_deref(), Some("v"));
        assert!(Place::parse("b").is_err());
        assert!(Place::parse("b/").is_err());
    }
}
