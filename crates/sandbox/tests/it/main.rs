//! The sandbox with real processes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "tests"
)]

mod bench;
mod extensions;
mod fixture;
mod isolation;
mod life;
mod network;
mod node;
mod provided;
mod python;
mod unpacking;
