//! The one error of the store. Cloneable, because one failed sync answers a whole batch of commits.

use std::sync::Arc;

use bytes::Bytes;

#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Other transactions changed what this one had read. `Db::transact` retries; it surfaces only when the bound is reached.
    #[error("the transaction conflicted with others {attempts} times")]
    Conflict { key: Bytes, attempts: u32 },
    #[error("{what} has {bytes} bytes, the limit is {bytes_max}")]
    TooLarge { what: &'static str, bytes: usize, bytes_max: usize },
    /// The closure ran longer than a transaction may.
    #[error("the transaction took longer than {limit_ms} ms")]
    TooSlow { limit_ms: u64 },
    /// A full disk, a failed sync, a database that cannot be reached. After a failed sync the store
    /// answers this for good: what the operating system did with the lost pages is unknown.
    #[error("the store is unavailable: {reason}")]
    Unavailable { reason: Arc<str> },
    #[error("the data folder {path} is in use by another process")]
    Locked { path: String },
    #[error("the data folder cannot be used: {reason}")]
    Format { reason: String },
    #[error("stored data cannot be read: {what}")]
    Corrupt { what: String },
    /// The handle was used after its transaction ended, or the store was closed.
    #[error("the {what} is closed")]
    Closed { what: &'static str },
    /// The task is no longer ours: cancelled, or another node took it over.
    #[error("the lease on task {task} is lost")]
    LeaseLost { task: String },
    #[error("blob {hash} is missing")]
    BlobMissing { hash: String },
    #[error("blob {hash} is damaged")]
    BlobDamaged { hash: String },
    /// The dark overlay reached its bound.
    #[error("the overlay holds more than {bytes_max} bytes")]
    OverlayFull { bytes_max: usize },
}

impl Error {
    pub(crate) fn unavailable(reason: impl std::fmt::Display) -> Error {
        Error::Unavailable { reason: reason.to_string().into() }
    }

    pub(crate) fn corrupt(what: impl std::fmt::Display) -> Error {
        Error::Corrupt { what: what.to_string() }
    }

    pub(crate) fn conflict(key: Bytes) -> Error {
        Error::Conflict { key, attempts: 1 }
    }

    /// Whether the same call may succeed when it is made again.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Error::Conflict { .. } | Error::TooSlow { .. } | Error::Unavailable { .. })
    }
}

/// A poisoned lock only says that some thread panicked while it held it; the data behind every lock of
/// this crate is valid between any two statements, so going on is right.
pub(crate) fn lock<T>(mutex: &std::sync::Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
