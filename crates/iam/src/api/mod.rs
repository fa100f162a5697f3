//! Generated shapes and operations.

pub mod iam;
pub mod sts;
