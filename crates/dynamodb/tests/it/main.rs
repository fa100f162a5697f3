//! DynamoDB on a memory store, through the call path of the kernel.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::panic,
    reason = "tests"
)]

mod batches;
mod expiry;
mod fixture;
mod indexes;
mod items;
mod queries;
mod resources;
mod streams;
mod tables;
mod transactions;
