//! What S3 keeps.
//!
//! The latest version of a key is always in [`OBJECTS`], delete markers included; older ones are in
//! [`VERSIONS`]. Whatever changes which version is the latest reads and writes that one row, which
//! makes changes to one key serializable.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use undercast_kernel::keyspace;
use undercast_store::{BlobId, Row, Table};

/// Name: one index for all accounts and regions.
pub(crate) const BUCKETS: Table<(String,), BucketRow> = Table::new(keyspace::S3, "buckets");
/// Account, name.
pub(crate) const OWNED: Table<(String, String), ()> = Table::new(keyspace::S3, "owned");
/// Number of the bucket, kind: policies, rules and the like, as documents.
pub(crate) const CONFIGS: Table<(u64, String), String> = Table::new(keyspace::S3, "configs");
/// Number of the bucket, key: the latest version.
pub(crate) const OBJECTS: Table<(u64, String), ObjectRow> = Table::new(keyspace::S3, "objects");
/// Number of the bucket, key, complement of the version's number: older versions, newest first.
pub(crate) const VERSIONS: Table<(u64, String, u64), ObjectRow> =
    Table::new(keyspace::S3, "versions");
/// Number of the bucket, id of the object: content that is too large for the object's row.
pub(crate) const CONTENTS: Table<(u64, u64), serde_bytes::ByteBuf> =
    Table::new(keyspace::S3, "contents");
/// Number of the bucket, key, upload id.
pub(crate) const UPLOADS: Table<(u64, String, String), UploadRow> =
    Table::new(keyspace::S3, "uploads");
/// Number of the bucket, id of the upload (and of the object that it becomes), number of the part.
pub(crate) const PARTS: Table<(u64, u64, u32), PartRow> = Table::new(keyspace::S3, "parts");

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct BucketRow {
    /// Unique for ever: a bucket of the same name made later has another.
    pub(crate) number: u64,
    pub(crate) account: String,
    pub(crate) region: String,
    pub(crate) created_ms: i64,
    #[serde(default)]
    pub(crate) versioning: Versioning,
    /// What new objects are encrypted with, where not with AES256.
    #[serde(default)]
    pub(crate) encryption: Option<Encryption>,
    #[serde(default)]
    pub(crate) has_policy: bool,
    #[serde(default)]
    pub(crate) has_lifecycle: bool,
    #[serde(default)]
    pub(crate) has_notification: bool,
    /// Object Lock is on, for ever.
    #[serde(default)]
    pub(crate) has_lock: bool,
    /// Somebody decides since then whether the bucket can go; it takes no writes meanwhile.
    #[serde(default)]
    pub(crate) deleting_ms: Option<i64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) enum Versioning {
    /// Never enabled.
    #[default]
    Off,
    Enabled,
    Suspended,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Encryption {
    #[serde(rename = "a")]
    pub(crate) algorithm: String,
    #[serde(rename = "k", default, skip_serializing_if = "Option::is_none")]
    pub(crate) kms_key: Option<String>,
    #[serde(rename = "b", default, skip_serializing_if = "is_false")]
    pub(crate) bucket_key: bool,
}

/// What travels with an object besides its content.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Properties {
    #[serde(rename = "ct", default, skip_serializing_if = "Option::is_none")]
    pub(crate) content_type: Option<String>,
    #[serde(rename = "cc", default, skip_serializing_if = "Option::is_none")]
    pub(crate) cache_control: Option<String>,
    #[serde(rename = "cd", default, skip_serializing_if = "Option::is_none")]
    pub(crate) content_disposition: Option<String>,
    #[serde(rename = "ce", default, skip_serializing_if = "Option::is_none")]
    pub(crate) content_encoding: Option<String>,
    #[serde(rename = "cl", default, skip_serializing_if = "Option::is_none")]
    pub(crate) content_language: Option<String>,
    #[serde(rename = "ex", default, skip_serializing_if = "Option::is_none")]
    pub(crate) expires: Option<String>,
    #[serde(rename = "wr", default, skip_serializing_if = "Option::is_none")]
    pub(crate) website_redirect: Option<String>,
    #[serde(rename = "m", default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) metadata: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ObjectRow {
    /// The key, in full.
    #[serde(rename = "y")]
    pub(crate) key: String,
    /// Names the content: rows beside this one and links of blobs.
    #[serde(rename = "i")]
    pub(crate) id: u64,
    /// Orders the versions of a key.
    #[serde(rename = "n")]
    pub(crate) number: u64,
    /// The version whose id is `null`: written while versioning was not enabled.
    #[serde(rename = "z", default, skip_serializing_if = "is_false")]
    pub(crate) null: bool,
    #[serde(rename = "x", default, skip_serializing_if = "is_false")]
    pub(crate) marker: bool,
    #[serde(rename = "t")]
    pub(crate) modified_ms: i64,
    /// Without quotes.
    #[serde(rename = "e")]
    pub(crate) etag: String,
    #[serde(rename = "l")]
    pub(crate) size: u64,
    #[serde(rename = "d")]
    pub(crate) content: Content,
    #[serde(rename = "c", default, skip_serializing_if = "Option::is_none")]
    pub(crate) checksum: Option<Checksum>,
    #[serde(rename = "p", default)]
    pub(crate) properties: Properties,
    #[serde(rename = "g", default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) tags: Vec<(String, String)>,
    /// `None` is `STANDARD`.
    #[serde(rename = "s", default, skip_serializing_if = "Option::is_none")]
    pub(crate) storage_class: Option<String>,
    /// `None` is AES256.
    #[serde(rename = "k", default, skip_serializing_if = "Option::is_none")]
    pub(crate) encryption: Option<Encryption>,
    /// In the latest version: the number of the older version whose id is `null`, if there is one.
    #[serde(rename = "o", default, skip_serializing_if = "Option::is_none")]
    pub(crate) null_number: Option<u64>,
    /// The upload that made it, by which its completion is recognized when it is asked for again.
    #[serde(rename = "u", default, skip_serializing_if = "Option::is_none")]
    pub(crate) upload: Option<String>,
    #[serde(rename = "w", default, skip_serializing_if = "Lock::is_open")]
    pub(crate) lock: Lock,
}

/// Why a version must stay.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Lock {
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    pub(crate) retention: Option<Retention>,
    /// A legal hold.
    #[serde(rename = "h", default, skip_serializing_if = "is_false")]
    pub(crate) is_held: bool,
}

impl Lock {
    fn is_open(&self) -> bool {
        *self == Self::default()
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Retention {
    /// Else governance, which some may bypass.
    #[serde(rename = "c")]
    pub(crate) is_compliance: bool,
    #[serde(rename = "u")]
    pub(crate) until_ms: i64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Content {
    #[serde(rename = "i")]
    Inline(serde_bytes::ByteBuf),
    /// In a row of [`CONTENTS`].
    #[serde(rename = "r")]
    Row,
    #[serde(rename = "b")]
    Blob(BlobId),
    /// So many rows of [`PARTS`], one after another.
    #[serde(rename = "p")]
    Parts(u32),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Checksum {
    /// In upper case: `CRC32`.
    #[serde(rename = "a")]
    pub(crate) algorithm: String,
    /// In base64, with `-N` where it is one of checksums of parts.
    #[serde(rename = "v")]
    pub(crate) value: String,
    #[serde(rename = "c", default, skip_serializing_if = "is_false")]
    pub(crate) composite: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct UploadRow {
    pub(crate) key: String,
    /// The id that the object will have.
    pub(crate) id: u64,
    pub(crate) initiated_ms: i64,
    pub(crate) initiator: String,
    /// Counted up with every change of a part, so that a completion sees all of them.
    pub(crate) changes: u64,
    pub(crate) properties: Properties,
    pub(crate) tags: Vec<(String, String)>,
    pub(crate) storage_class: Option<String>,
    pub(crate) encryption: Option<Encryption>,
    /// As asked for; `None` means CRC64NVME over the whole, unasked.
    pub(crate) checksum_algorithm: Option<String>,
    pub(crate) composite: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct PartRow {
    #[serde(rename = "b")]
    pub(crate) blob: BlobId,
    /// Names the link of the blob.
    #[serde(rename = "i")]
    pub(crate) link: u64,
    #[serde(rename = "e")]
    pub(crate) etag: String,
    #[serde(rename = "t")]
    pub(crate) modified_ms: i64,
    #[serde(rename = "c", default, skip_serializing_if = "Option::is_none")]
    pub(crate) checksum: Option<Checksum>,
    /// The upload asked for this kind of checksum, so that answers tell it.
    #[serde(rename = "q", default, skip_serializing_if = "is_false")]
    pub(crate) asked: bool,
}

impl PartRow {
    /// The checksum as far as answers tell it.
    pub(crate) fn told(&self) -> Option<&Checksum> {
        self.checksum.as_ref().filter(|_| self.asked)
    }

    pub(crate) fn size(&self) -> u64 {
        self.blob.len
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_false(value: &bool) -> bool {
    !*value
}

macro_rules! rows {
    ($($row:ty),* $(,)?) => {
        $(impl Row for $row {
            const VERSION: u8 = 1;
        })*
    };
}

rows!(BucketRow, ObjectRow, UploadRow, PartRow);
