//! Every number that AWS documents for the execution environment, and our own bounds beside them.

use std::time::Duration;

/// Largest buffered response: 6 MiB and the 100 bytes that AWS allows on top.
pub(crate) const RESPONSE_BYTES_MAX: usize = 6_291_556;
/// Largest streamed response.
pub(crate) const STREAM_BYTES_MAX: u64 = 200 * 1024 * 1024;
/// Largest error report that a runtime may post.
pub(crate) const ERROR_BYTES_MAX: usize = RESPONSE_BYTES_MAX;
/// The init phase may take this long before the process is stopped and tried once more under the function's timeout.
pub(crate) const INIT_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of log that an invocation with `LogType: Tail` gets back.
pub(crate) const LOG_TAIL_BYTES: usize = 4096;
/// One log event; longer lines are cut into several, as CloudWatch Logs does.
pub(crate) const LOG_LINE_BYTES_MAX: usize = 256 * 1024;
/// Lines are handed to the host when this much text waits, whatever their age.
pub(crate) const LOG_BATCH_BYTES: usize = 256 * 1024;
/// Lines of a running invocation are handed to the host at the latest after this.
pub(crate) const LOG_BATCH_AGE: Duration = Duration::from_millis(250);
/// Head of a request to the Runtime API.
pub(crate) const HEAD_BYTES_MAX: usize = 128 * 1024;
/// Header lines in such a head.
pub(crate) const HEADERS_MAX: usize = 64;
/// Connections that one instance may hold open to its Runtime API.
pub(crate) const CONNECTIONS_MAX: usize = 64;
/// A process that has answered is expected to ask for the next event within this time; until then an invocation
/// may wait for it instead of starting another process. On a busy machine a start takes longer than this.
pub(crate) const SETTLE: Duration = Duration::from_millis(250);
/// An instance that waits for an event this long is frozen, if that is wanted.
pub(crate) const FREEZE_AFTER: Duration = Duration::from_millis(50);
/// How often resident memory is looked at while an invocation runs.
pub(crate) const MEMORY_WATCH: Duration = Duration::from_millis(100);
/// When a new process is put into its control group.
pub(crate) const GROUP_DELAY: Duration = Duration::from_millis(150);
/// What extensions get for their end.
pub(crate) const SHUTDOWN: Duration = Duration::from_secs(2);
/// How long a stopped process gets before it is killed without asking its launcher.
pub(crate) const KILL_GRACE: Duration = Duration::from_secs(1);
/// Chunks of a streamed response that wait for a slow reader.
pub(crate) const STREAM_CHUNKS: usize = 16;
/// `/tmp` and thread limits as Lambda sets them.
pub(crate) const OPEN_FILES_MAX: u64 = 1024;
pub(crate) const PROCESSES_MAX: u64 = 1024;
