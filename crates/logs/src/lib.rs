//! CloudWatch Logs.

pub mod api;
