//! The numbers that AWS documents, and those that are ours.

pub(crate) const BUCKET_NAME_CHARS_MIN: usize = 3;
pub(crate) const BUCKET_NAME_CHARS_MAX: usize = 63;
pub(crate) const KEY_BYTES_MAX: usize = 1_024;
pub(crate) const METADATA_BYTES_MAX: usize = 2_048;
pub(crate) const PUT_BYTES_MAX: u64 = 5 << 30;
pub(crate) const OBJECT_BYTES_MAX: u64 = 5 << 40;
pub(crate) const PART_BYTES_MIN: u64 = 5 << 20;
pub(crate) const PART_NUMBER_MAX: i32 = 10_000;
pub(crate) const LIST_MAX: i32 = 1_000;
pub(crate) const LIST_BUCKETS_MAX: i32 = 10_000;
pub(crate) const DELETE_OBJECTS_MAX: usize = 1_000;
pub(crate) const OBJECT_TAGS_MAX: usize = 10;
pub(crate) const BUCKET_TAGS_MAX: usize = 50;
pub(crate) const TAG_KEY_CHARS_MAX: usize = 128;
pub(crate) const TAG_VALUE_CHARS_MAX: usize = 256;
pub(crate) const POLICY_BYTES_MAX: usize = 20 << 10;
pub(crate) const LIFECYCLE_RULES_MAX: usize = 1_000;
pub(crate) const CORS_RULES_MAX: usize = 100;
pub(crate) const ROUTING_RULES_MAX: usize = 50;
pub(crate) const NOTIFICATIONS_MAX: usize = 100;
pub(crate) const NOTIFICATION_FILTER_BYTES_MAX: usize = 1_024;

/// Content up to this size stands in the object's own row, which lists read.
pub(crate) const INLINE_BYTES_MAX: usize = 1_024;
/// Content up to this size stands in a row beside it, larger content in a blob.
pub(crate) const ROW_BYTES_MAX: usize = 64 << 10;
/// Streams are cut into pieces of about this size on their way to a blob.
pub(crate) const PIECE_BYTES: usize = 256 << 10;
/// How long a bucket whose deletion is being decided takes no writes, at most.
pub(crate) const DELETING_MS_MAX: i64 = 10_000;
