//! Queues.

pub mod api;
