//! Generated shapes and operations.

pub mod sqs;
