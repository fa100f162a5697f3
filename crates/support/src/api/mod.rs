//! Generated shapes and operations.

pub mod ecr;
pub mod kms;
pub mod ssm;
