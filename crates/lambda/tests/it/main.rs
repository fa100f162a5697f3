//! Lambda with real functions, on a memory store.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "tests"
)]

mod fixture;
mod functions;
mod invoking;
mod mappings;
mod policies;
mod resources;
mod restart;
mod waiting;
