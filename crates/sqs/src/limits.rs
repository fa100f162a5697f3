//! Every number that AWS documents.

pub(crate) const NAME_CHARS_MAX: usize = 80;
pub(crate) const DELAY_S_MAX: i64 = 900;
pub(crate) const MESSAGE_BYTES_MIN: i64 = 1_024;
pub(crate) const MESSAGE_BYTES_MAX: i64 = 1_048_576;
pub(crate) const RETENTION_S_MIN: i64 = 60;
pub(crate) const RETENTION_S_MAX: i64 = 1_209_600;
pub(crate) const RETENTION_S_DEFAULT: i64 = 345_600;
pub(crate) const WAIT_S_MAX: i64 = 20;
pub(crate) const VISIBILITY_S_MAX: i64 = 43_200;
pub(crate) const VISIBILITY_S_DEFAULT: i64 = 30;
pub(crate) const BATCH_ENTRIES_MAX: usize = 10;
pub(crate) const BATCH_ID_CHARS_MAX: usize = 80;
pub(crate) const ATTRIBUTES_MAX: usize = 10;
pub(crate) const IN_FLIGHT_MAX: usize = 120_000;
pub(crate) const PURGE_INTERVAL_MS: i64 = 60_000;
pub(crate) const RECEIVES_MAX: i64 = 1_000;
pub(crate) const TAGS_MAX: usize = 50;
pub(crate) const TOKEN_CHARS_MAX: usize = 128;
/// How long the ids of messages and of attempts to receive are remembered.
pub(crate) const REMEMBERED_MS: i64 = 300_000;
pub(crate) const MOVES_PER_SECOND_MAX: i64 = 500;
pub(crate) const MOVES_LISTED_MAX: i64 = 10;

/// Bodies up to this size stand in the message's row and move with it; larger ones have rows of their
/// own, which stay.
pub(crate) const INLINE_BYTES_MAX: usize = 4_096;
/// Larger bodies are kept in parts of this size.
pub(crate) const PART_BYTES_MAX: usize = 512 << 10;
