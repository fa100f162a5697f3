//! Buckets and objects.

pub mod api;
