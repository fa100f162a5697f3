//! Generated shapes and operations.

pub mod dynamodb;
