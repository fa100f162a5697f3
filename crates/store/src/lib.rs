//! What survives a crash: an ordered, transactional key-value store, and what is built on it.
//!
//! Owns: `Db` and its transactions, tuple keys, typed tables with versioned rows, claims, counters, watches, durable
//! tasks, blobs, the dark overlay, the engines; and `Env`, through which everything above asks for time and chance.
//! Does not know: AWS, HTTP, accounts. Services own their tables; the key-space registry is in `kernel`.
//!
//! Read first: `tx.rs` (what a transaction can do), `table.rs` (how services use it), `local.rs` (how a commit
//! happens). Then `tasks.rs`, `blobs.rs`.
//!
//! The rules, the same on every engine:
//! - A transaction is serializable over the keys that it got and the rows that it claimed. A range is a snapshot; an
//!   invariant over a range needs a guard row.
//! - An encoded key has up to 2 KiB, a value up to 1 MiB, a transaction up to 8 MB and 5 s.
//! - What is acknowledged is on disk. After a failed sync nothing is acknowledged any more.
//! - Nothing scans from the start of a prefix whose head is worked off: keep a cursor (`Watch::take_lowest`).

mod archive;
mod backend;
mod blobs;
mod db;
mod effects;
pub mod engine;
mod env;
mod error;
mod folder;
mod gate;
mod key;
mod local;
mod overlay;
mod postgres;
mod recorder;
mod retry;
pub mod sim;
mod table;
mod tasks;
mod tx;
mod watch;

pub use archive::{Archive, Archived, Extras};
pub use blobs::{BlobHash, BlobId, BlobStore, Blobs, Collected, Source};
pub use db::{
    Db, Durability, EngineKind, Location, Options, TRANSACTION_BYTES_MAX, TRANSACTION_LIMIT,
    VALUE_BYTES_MAX,
};
pub use effects::{Effect, Effects};
pub use engine::Pair;
pub use env::{Clock, Elapsed, Env, Ids, Spawn, fraction};
pub use error::Error;
pub use key::{KEY_BYTES_MAX, Key, KeyPrefix, KeyRange};
pub use overlay::{Overlay, OverlayOptions};
pub use recorder::{Images, Recorder};
pub use table::{Row, Table, decode_row};
pub use tasks::{
    Backoff, NewTask, Outcome, Task, TaskEffect, TaskError, TaskFn, TaskId, TaskInfo, TaskKind,
    TaskRunner, TaskState, Tasks,
};
pub use tx::Tx;
pub use watch::Watch;
