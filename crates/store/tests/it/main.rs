//! The suite that every engine passes, and what belongs to single engines.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "tests"
)]

mod blobs;
mod crash;
mod dark;
mod engines;
mod faults;
mod postgres;
mod server;
mod suite;
mod tasks;
