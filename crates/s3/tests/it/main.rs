//! S3 on a memory store, without the wire.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "tests"
)]

mod background;
mod fixture;
mod notifications;
mod objects;
mod races;
mod resources;
mod uploads;
