//! The numbers that AWS documents.

pub(crate) const EXPRESSION_BYTES_MAX: usize = 4096;
pub(crate) const STATEMENT_BYTES_MAX: usize = 8192;
pub(crate) const EXPRESSION_OPERATORS_MAX: usize = 300;
pub(crate) const IN_OPERANDS_MAX: usize = 100;
pub(crate) const ITEM_BYTES_MAX: usize = 400 * 1024;
pub(crate) const HASH_KEY_BYTES_MAX: usize = 2048;
pub(crate) const RANGE_KEY_BYTES_MAX: usize = 1024;
/// What one page of a query or scan reads.
pub(crate) const PAGE_BYTES_MAX: usize = 1 << 20;
pub(crate) const BATCH_GET_KEYS_MAX: usize = 100;
pub(crate) const BATCH_GET_BYTES_MAX: usize = 16 << 20;
pub(crate) const BATCH_WRITES_MAX: usize = 25;
pub(crate) const TRANSACTION_BYTES_MAX: usize = 4 << 20;
pub(crate) const GSIS_MAX: usize = 20;
pub(crate) const LSIS_MAX: usize = 5;
pub(crate) const SEGMENTS_MAX: i32 = 1_000_000;
pub(crate) const TAGS_MAX: usize = 50;
/// How long a stream keeps a record, and itself after its end.
pub(crate) const STREAM_MS: i64 = 24 * 3600 * 1000;
pub(crate) const ITERATOR_MS: i64 = 15 * 60 * 1000;
pub(crate) const RECORDS_MAX: usize = 1_000;
pub(crate) const STREAMS_MAX: usize = 100;
/// How long a request token is remembered.
pub(crate) const TOKEN_MS: i64 = 10 * 60 * 1000;
