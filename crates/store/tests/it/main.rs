//! The suite that every engine passes, and what belongs to single engines.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    reason = "tests"
)]

mod blobs;
mod dark;
mod engines;
mod postgres;
mod server;
mod suite;
mod tasks;
