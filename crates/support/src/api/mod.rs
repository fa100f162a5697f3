//! Generated shapes and operations.

pub mod codedeploy;
pub mod ecr;
pub mod kms;
pub mod secretsmanager;
pub mod ses;
pub mod sesv2;
pub mod ssm;
