//! Generated shapes and operations.

pub mod codedeploy;
pub mod ecr;
pub mod kms;
pub mod ssm;
