//! `ListObjectVersions`: all versions and delete markers, the newest of each key first.

use undercast_kernel::{Access, Context, Handler, ServiceError};
use undercast_smithy::Timestamp;
use undercast_store::Tx;

use super::{Encoding, list_size, owner, quoted, size, storage_class_name};
use crate::S3;
use crate::api::s3::operations::ListObjectVersions;
use crate::api::s3::shapes::{
    DeleteMarkerEntry, ListObjectVersionsInput, ListObjectVersionsOutput, ObjectVersion,
};
use crate::engine::bucket::{access, load, on_bucket};
use crate::engine::checksum;
use crate::engine::list::{Entry, From, Walk};
use crate::engine::version::{self, Version};
use crate::error::{argument, version_id};
use crate::store::{BucketRow, ObjectRow, VERSIONS, Versioning};

const PAGE: usize = 1_000;

impl Handler<ListObjectVersions> for S3 {
    fn authorize(&self, _: &Context, input: &ListObjectVersionsInput) -> Vec<Access> {
        access("ListBucketVersions", &input.bucket)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: ListObjectVersionsInput,
    ) -> Result<ListObjectVersionsOutput, ServiceError> {
        let encoding = Encoding::new(input.encoding_type.as_ref())?;
        let (max_keys, max) = list_size("max-keys", input.max_keys)?;
        let tx = ctx.store().begin().await?;
        let expected = input.expected_bucket_owner.as_ref();
        let wanted = on_bucket("ListBucketVersions");
        let bucket = load(&tx, &ctx, &input.bucket, expected, wanted).await?;
        let (found, truncated) = page(&tx, &bucket, &input, max).await?;
        let mut output = ListObjectVersionsOutput {
            is_truncated: Some(truncated),
            key_marker: Some(encoding.write(&input.key_marker.unwrap_or_default())),
            version_id_marker: Some(input.version_id_marker.unwrap_or_default()),
            name: Some(input.bucket),
            prefix: Some(encoding.write(&input.prefix.unwrap_or_default())),
            delimiter: input.delimiter.filter(|d| !d.is_empty()).map(|d| encoding.write(&d)),
            max_keys: Some(max_keys),
            encoding_type: encoding.name(),
            ..ListObjectVersionsOutput::default()
        };
        match found.last().filter(|_| truncated) {
            Some(Found::Version(row, _)) => {
                output.next_key_marker = Some(encoding.write(&row.key));
                output.next_version_id_marker = Some(version::id(row));
            }
            Some(Found::Prefix(prefix)) => output.next_key_marker = Some(encoding.write(prefix)),
            None => {}
        }
        for found in found {
            write(&mut output, found, encoding, &bucket.account);
        }
        Ok(output)
    }
}

enum Found {
    /// And whether it is the latest.
    Version(Box<ObjectRow>, bool),
    Prefix(String),
}

/// Collects up to `max` entries and knows whether there is one more.
struct Collector {
    found: Vec<Found>,
    max: usize,
    truncated: bool,
}

impl Collector {
    /// False once nothing more is wanted.
    fn push(&mut self, found: Found) -> bool {
        if self.found.len() == self.max {
            self.truncated = self.max > 0;
            return false;
        }
        self.found.push(found);
        true
    }
}

async fn page(
    tx: &Tx,
    bucket: &BucketRow,
    input: &ListObjectVersionsInput,
    max: usize,
) -> Result<(Vec<Found>, bool), ServiceError> {
    let prefix = input.prefix.as_deref().unwrap_or_default();
    let marker = input.key_marker.clone().filter(|marker| !marker.is_empty());
    let after = input.version_id_marker.as_deref().filter(|id| !id.is_empty());
    let after = match (&marker, after) {
        (None, Some(id)) => {
            return Err(argument(
                "version-id-marker",
                id,
                "A version-id marker cannot be specified without a key marker.",
            ));
        }
        (_, None) => None,
        (_, Some(id)) => Some(version::parse(id).ok_or_else(|| version_id(id))?),
    };
    let from = match (&marker, after) {
        (None, _) => From::Start,
        (Some(key), None) => From::After(key.clone()),
        (Some(key), Some(_)) => From::At(key.clone()),
    };
    let mut walk = Walk::new(bucket.number, prefix, input.delimiter.as_deref(), from);
    let mut collector = Collector { found: Vec::new(), max, truncated: false };
    while let Some(entry) = walk.next(tx, true).await? {
        let wants_more = match entry {
            Entry::Prefix(prefix) => collector.push(Found::Prefix(prefix)),
            Entry::Object(row) => {
                let after = after.filter(|_| marker.as_ref() == Some(&row.key));
                versions(tx, bucket, *row, after, &mut collector).await?
            }
        };
        if !wants_more {
            break;
        }
    }
    Ok((collector.found, collector.truncated))
}

/// The versions of one key, those after a marker if there is one.
async fn versions(
    tx: &Tx,
    bucket: &BucketRow,
    latest: ObjectRow,
    after: Option<Version>,
    collector: &mut Collector,
) -> Result<bool, ServiceError> {
    let key = latest.key.clone();
    let after = match after {
        None => None,
        Some(Version::Number(number)) => Some(number),
        Some(Version::Null) if latest.null => Some(latest.number),
        Some(Version::Null) => latest.null_number,
    };
    if after.is_none_or(|number| latest.number < number)
        && !collector.push(Found::Version(Box::new(latest), true))
    {
        return Ok(false);
    }
    if bucket.versioning == Versioning::Off {
        return Ok(true);
    }
    let mut range = VERSIONS.prefix(&(bucket.number, key.as_str()));
    if let Some(number) = after {
        range = range.after_key(&VERSIONS.key(&(bucket.number, key.as_str(), !number)));
    }
    let wanted = (collector.max - collector.found.len() + 1).min(PAGE);
    loop {
        let rows = VERSIONS.scan(tx, range.clone(), wanted, false).await?;
        let full = rows.len() == wanted;
        if let Some((key, _)) = rows.last() {
            range = range.after_key(&VERSIONS.key(key));
        }
        for (_, row) in rows {
            if !collector.push(Found::Version(Box::new(row), false)) {
                return Ok(false);
            }
        }
        if !full {
            return Ok(true);
        }
    }
}

fn write(output: &mut ListObjectVersionsOutput, found: Found, encoding: Encoding, account: &str) {
    match found {
        Found::Prefix(prefix) => {
            let prefix = encoding.prefix(&prefix);
            output.common_prefixes.get_or_insert_default().push(prefix);
        }
        Found::Version(row, is_latest) if row.marker => {
            output.delete_markers.get_or_insert_default().push(DeleteMarkerEntry {
                owner: Some(owner(account)),
                key: Some(encoding.write(&row.key)),
                version_id: Some(version::id(&row)),
                is_latest: Some(is_latest),
                last_modified: Some(Timestamp::from_millis(row.modified_ms)),
            });
        }
        Found::Version(row, is_latest) => {
            let checksum = row.checksum.as_ref();
            output.versions.get_or_insert_default().push(ObjectVersion {
                e_tag: Some(quoted(&row.etag)),
                checksum_algorithm: checksum.map(|c| vec![c.algorithm.clone()]),
                checksum_type: checksum.map(|c| checksum::kind(c.composite)),
                size: Some(size(&row)),
                storage_class: Some(storage_class_name(&row)),
                key: Some(encoding.write(&row.key)),
                version_id: Some(version::id(&row)),
                is_latest: Some(is_latest),
                last_modified: Some(Timestamp::from_millis(row.modified_ms)),
                owner: Some(owner(account)),
                restore_status: None,
            });
        }
    }
}
