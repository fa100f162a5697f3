//! What applications and tools need around the edge: SSM, ECR, KMS.

pub mod api;
