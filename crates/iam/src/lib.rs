//! Identities, policies and temporary credentials: IAM and STS.

pub mod api;
