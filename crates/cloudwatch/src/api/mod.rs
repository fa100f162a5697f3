//! Generated shapes and operations.

pub mod cloudwatch;
