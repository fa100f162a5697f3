//! Generated shapes and operations.

pub mod s3;
