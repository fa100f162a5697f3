//! Functions.

pub mod api;
