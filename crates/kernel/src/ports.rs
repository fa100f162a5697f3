//! How services reach what another service owns, without knowing that service. Any operation can be
//! called by name ([`crate::Kernel::call`]); these ports are for what is no operation, or for hot
//! paths that a document would slow down.

use bytes::Bytes;
use futures::future::BoxFuture;

use crate::{Access, Context, Principal, ServiceError};

/// Runs functions. Provided by Lambda.
pub trait Invoke: Send + Sync + 'static {
    fn invoke(
        &self,
        ctx: Context,
        request: InvokeRequest,
    ) -> BoxFuture<'static, Result<InvokeResponse, ServiceError>>;
}

#[derive(Debug, Clone)]
pub struct InvokeRequest {
    /// A function ARN, with or without a qualifier.
    pub function: String,
    pub payload: Bytes,
    pub kind: InvokeKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvokeKind {
    /// Waits for the function's answer.
    RequestResponse,
    /// Queued durably before it returns.
    Event,
}

#[derive(Debug, Clone)]
pub struct InvokeResponse {
    pub payload: Bytes,
    /// `Unhandled` or `Handled`; the payload then describes the error.
    pub function_error: Option<String>,
    pub executed_version: String,
}

/// Decides whether a principal may do something. Provided by IAM.
pub trait Authorize: Send + Sync + 'static {
    fn authorize(
        &self,
        ctx: Context,
        accesses: Vec<Access>,
    ) -> BoxFuture<'static, Result<Decision, ServiceError>>;
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    Allowed,
    /// With AWS's sentence naming principal, action and resource.
    Denied {
        message: String,
    },
}

/// Knows access keys. Provided by IAM and STS.
pub trait Credentials: Send + Sync + 'static {
    /// What an access key stands for; `None` for a key that nobody issued.
    fn lookup(
        &self,
        kernel: crate::Kernel,
        access_key: String,
    ) -> BoxFuture<'static, Result<Option<Secret>, ServiceError>>;

    /// Credentials of a role, for a function that runs with it.
    fn assume(
        &self,
        kernel: crate::Kernel,
        role_arn: String,
        session: String,
    ) -> BoxFuture<'static, Result<Issued, ServiceError>>;
}

/// An issued access key.
#[derive(Debug, Clone)]
pub struct Secret {
    pub secret_key: String,
    /// Set for temporary credentials, which are only good together with it.
    pub session_token: Option<String>,
    pub expires_ms: Option<i64>,
    pub principal: Principal,
}

/// Temporary credentials.
#[derive(Debug, Clone)]
pub struct Issued {
    pub access_key: String,
    pub secret_key: String,
    pub session_token: String,
    pub expires_ms: i64,
    pub principal: Principal,
}
