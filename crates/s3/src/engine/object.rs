//! Changing what a key holds.

use bytes::Bytes;
use serde_bytes::ByteBuf;
use undercast_kernel::ServiceError;
use undercast_store::{BlobId, Tx};

use super::ingest::Taken;
use super::lock;
use super::version::{self, Version};
use crate::error;
use crate::limits::{INLINE_BYTES_MAX, KEY_BYTES_MAX, METADATA_BYTES_MAX};
use crate::store::{
    BucketRow, CONTENTS, Checksum, Content, Encryption, Lock, OBJECTS, ObjectRow, Properties,
    VERSIONS, Versioning,
};
use crate::tasks;

/// An object that is to be.
#[derive(Debug, Clone, Default)]
pub(crate) struct NewObject {
    pub(crate) key: String,
    pub(crate) etag: String,
    pub(crate) size: u64,
    pub(crate) checksum: Option<Checksum>,
    pub(crate) properties: Properties,
    pub(crate) tags: Vec<(String, String)>,
    pub(crate) storage_class: Option<String>,
    pub(crate) encryption: Option<Encryption>,
    pub(crate) upload: Option<String>,
    pub(crate) lock: Lock,
}

/// Where the content of a new object comes from.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    Bytes(Bytes),
    Blob(BlobId),
    /// So many parts, which are there already under the id.
    Parts {
        id: u64,
        count: u32,
    },
    /// A delete marker.
    Nothing,
}

impl From<Taken> for Source {
    fn from(taken: Taken) -> Self {
        match taken {
            Taken::Bytes(bytes) => Self::Bytes(bytes),
            Taken::Blob(blob) => Self::Blob(blob),
        }
    }
}

pub(crate) fn check_key(key: &str) -> Result<(), ServiceError> {
    if key.len() > KEY_BYTES_MAX {
        return Err(ServiceError::new("KeyTooLongError", "Your key is too long")
            .with_field("Size", key.len())
            .with_field("MaxSizeAllowed", KEY_BYTES_MAX));
    }
    Ok(())
}

pub(crate) fn check_metadata(properties: &Properties) -> Result<(), ServiceError> {
    let size: usize = properties.metadata.iter().map(|(k, v)| k.len() + v.len()).sum();
    if size > METADATA_BYTES_MAX {
        return Err(ServiceError::new(
            "MetadataTooLarge",
            "Your metadata headers exceed the maximum allowed metadata size",
        )
        .with_field("Size", size)
        .with_field("MaxSizeAllowed", METADATA_BYTES_MAX));
    }
    Ok(())
}

/// Who links the blobs of an object or part.
pub(crate) fn link(bucket: u64, id: u64) -> [u8; 16] {
    let mut owner = [0; 16];
    let (head, tail) = owner.split_at_mut(8);
    head.copy_from_slice(&bucket.to_be_bytes());
    tail.copy_from_slice(&id.to_be_bytes());
    owner
}

/// A number above all that the key has had, which tells the time roughly.
fn next_number(tx: &Tx, latest: Option<&ObjectRow>) -> u64 {
    let time = u64::try_from(tx.now_ms()).unwrap_or_default() << 20;
    let number = time | (tx.ids().u64() & 0xF_FFFF);
    latest.map_or(number, |latest| number.max(latest.number.saturating_add(1)))
}

/// Makes a new latest version. `latest` is what [`OBJECTS`] held in this transaction.
pub(crate) async fn put(
    tx: &Tx,
    bucket: &BucketRow,
    latest: Option<ObjectRow>,
    new: NewObject,
    source: Source,
) -> Result<ObjectRow, ServiceError> {
    let marker = matches!(source, Source::Nothing);
    let id = match source {
        Source::Parts { id, .. } => id,
        _ => tx.ids().u64(),
    };
    let lock = match marker {
        true => Lock::default(),
        false => lock::of_new(tx, bucket, new.lock).await?,
    };
    let mut row = ObjectRow {
        id,
        number: next_number(tx, latest.as_ref()),
        null: bucket.versioning != Versioning::Enabled,
        marker,
        modified_ms: tx.now_ms(),
        content: place(tx, bucket.number, id, source)?,
        key: new.key,
        etag: new.etag,
        size: new.size,
        checksum: new.checksum,
        properties: new.properties,
        tags: new.tags,
        storage_class: new.storage_class,
        encryption: new.encryption,
        null_number: None,
        upload: new.upload,
        lock,
    };
    if let Some(latest) = latest {
        retire(tx, bucket, latest, &mut row).await?;
    }
    OBJECTS.put(tx, &(bucket.number, row.key.clone()), &row)?;
    Ok(row)
}

fn place(tx: &Tx, bucket: u64, id: u64, source: Source) -> Result<Content, ServiceError> {
    Ok(match source {
        Source::Nothing => Content::Inline(ByteBuf::new()),
        Source::Bytes(bytes) if bytes.len() <= INLINE_BYTES_MAX => {
            Content::Inline(ByteBuf::from(bytes.to_vec()))
        }
        Source::Bytes(bytes) => {
            CONTENTS.put(tx, &(bucket, id), &ByteBuf::from(bytes.to_vec()))?;
            Content::Row
        }
        Source::Blob(blob) => {
            tx.link_blob(&blob, &link(bucket, id))?;
            Content::Blob(blob)
        }
        Source::Parts { count, .. } => Content::Parts(count),
    })
}

/// What was the latest version becomes an older one, or goes.
async fn retire(
    tx: &Tx,
    bucket: &BucketRow,
    mut latest: ObjectRow,
    new: &mut ObjectRow,
) -> Result<(), ServiceError> {
    let key = latest.key.clone();
    let null_number = latest.null_number.take();
    if !new.null {
        new.null_number = if latest.null { Some(latest.number) } else { null_number };
    } else if let Some(number) = null_number {
        let at = (bucket.number, key.clone(), !number);
        if let Some(old) = VERSIONS.get(tx, &at).await? {
            drop_content(tx, bucket.number, &old)?;
            VERSIONS.delete(tx, &at)?;
        }
    }
    if new.null && latest.null {
        return drop_content(tx, bucket.number, &latest);
    }
    VERSIONS.put(tx, &(bucket.number, key, !latest.number), &latest)?;
    Ok(())
}

/// Lets go of content that no row holds any more.
pub(crate) fn drop_content(tx: &Tx, bucket: u64, row: &ObjectRow) -> Result<(), ServiceError> {
    match &row.content {
        Content::Inline(_) => Ok(()),
        Content::Row => Ok(CONTENTS.delete(tx, &(bucket, row.id))?),
        Content::Blob(blob) => Ok(tx.unlink_blob(blob, &link(bucket, row.id))?),
        Content::Parts(_) => tasks::spawn_drop_parts(tx, bucket, row.id),
    }
}

/// What a deletion did.
#[derive(Debug, Default)]
pub(crate) struct Deleted {
    pub(crate) marker: bool,
    pub(crate) version_id: Option<String>,
    /// Orders it among the changes of the key; `None` if there was nothing to delete.
    pub(crate) sequence: Option<u64>,
}

/// Deletes a key: what it held goes, or a delete marker covers it.
pub(crate) async fn delete(
    tx: &Tx,
    bucket: &BucketRow,
    key: &str,
    latest: Option<ObjectRow>,
) -> Result<Deleted, ServiceError> {
    if bucket.versioning == Versioning::Off {
        let Some(latest) = latest else {
            return Ok(Deleted::default());
        };
        drop_content(tx, bucket.number, &latest)?;
        OBJECTS.delete(tx, &(bucket.number, key.to_owned()))?;
        let sequence = Some(next_number(tx, Some(&latest)));
        return Ok(Deleted { sequence, ..Deleted::default() });
    }
    let marker = NewObject { key: key.to_owned(), ..NewObject::default() };
    let row = put(tx, bucket, latest, marker, Source::Nothing).await?;
    Ok(Deleted { marker: true, version_id: Some(version::id(&row)), sequence: Some(row.number) })
}

/// Deletes one version for good, unless it is locked; a lock of governance may be bypassed.
pub(crate) async fn delete_version(
    tx: &Tx,
    bucket: &BucketRow,
    key: &str,
    id: &str,
    latest: Option<ObjectRow>,
    bypasses: bool,
) -> Result<Deleted, ServiceError> {
    let wanted = version::parse(id).ok_or_else(|| error::version_id(id))?;
    let mut deleted = Deleted { marker: false, version_id: Some(id.to_owned()), sequence: None };
    let Some(mut latest) = latest else {
        return Ok(deleted);
    };
    let sequence = Some(next_number(tx, Some(&latest)));
    if is(&latest, wanted) {
        lock::check(&latest, tx.now_ms(), bypasses)?;
        deleted.marker = latest.marker;
        deleted.sequence = sequence;
        drop_content(tx, bucket.number, &latest)?;
        promote(tx, bucket.number, latest).await?;
        return Ok(deleted);
    }
    let number = match wanted {
        Version::Number(number) => Some(number),
        Version::Null => latest.null_number,
    };
    let Some(number) = number else {
        return Ok(deleted);
    };
    let at = (bucket.number, key.to_owned(), !number);
    let found = VERSIONS.get(tx, &at).await?;
    let Some(row) = found.filter(|row| is(row, wanted)) else {
        return Ok(deleted);
    };
    lock::check(&row, tx.now_ms(), bypasses)?;
    deleted.marker = row.marker;
    deleted.sequence = sequence;
    drop_content(tx, bucket.number, &row)?;
    VERSIONS.delete(tx, &at)?;
    if row.null {
        latest.null_number = None;
        OBJECTS.put(tx, &(bucket.number, key.to_owned()), &latest)?;
    }
    Ok(deleted)
}

pub(crate) fn is(row: &ObjectRow, version: Version) -> bool {
    match version {
        Version::Null => row.null,
        Version::Number(number) => !row.null && row.number == number,
    }
}

/// The newest of the older versions becomes the latest one.
async fn promote(tx: &Tx, bucket: u64, gone: ObjectRow) -> Result<(), ServiceError> {
    let key = (bucket, gone.key.clone());
    let next = VERSIONS.scan(tx, VERSIONS.prefix(&key), 1, false).await?;
    let Some((at, _)) = next.into_iter().next() else {
        OBJECTS.delete(tx, &key)?;
        return Ok(());
    };
    // Read by its key, so that whoever deletes it meanwhile conflicts with this transaction.
    let Some(mut row) = VERSIONS.get(tx, &at).await? else {
        return Err(error::busy());
    };
    row.null_number = gone.null_number.filter(|_| !row.null);
    VERSIONS.delete(tx, &at)?;
    OBJECTS.put(tx, &key, &row)?;
    Ok(())
}
