//! Lambda's quotas.

pub(crate) const NAME_CHARS_MAX: usize = 64;
pub(crate) const ENVIRONMENT_BYTES_MAX: usize = 4096;
/// The model allows more, to durable functions and to those on instances of their own.
pub(crate) const TIMEOUT_S_MAX: u32 = 900;
pub(crate) const MEMORY_MB_MAX: u32 = 10_240;
pub(crate) const SYNC_BYTES_MAX: usize = 6_291_456;
pub(crate) const STREAM_BYTES_MAX: usize = 209_715_200;
pub(crate) const ASYNC_BYTES_MAX: usize = 1_048_576;
pub(crate) const ZIP_BYTES_MAX: u64 = 52_428_800;
pub(crate) const UNZIPPED_BYTES_MAX: u64 = 262_144_000;
pub(crate) const LAYERS_MAX: usize = 5;
pub(crate) const TOTAL_CODE_BYTES_MAX: i64 = 80_530_636_800;
pub(crate) const CONCURRENCY_MAX: u32 = 1000;
/// What reserved concurrency must leave to all other functions.
pub(crate) const UNRESERVED_MIN: u32 = 100;
pub(crate) const TAGS_MAX: usize = 50;
pub(crate) const POLICY_BYTES_MAX: usize = 20_480;
/// An event that could not be handled for so long is given up.
pub(crate) const EVENT_AGE_S: u32 = 21_600;
pub(crate) const EVENT_RETRIES: u32 = 2;
pub(crate) const PAGE_MAX: usize = 50;
