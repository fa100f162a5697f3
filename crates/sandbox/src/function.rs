//! The contract: what is run, with what, and what the owner provides.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;

/// One version of a function with one revision of its configuration. Never changes; a change is another value with
/// another `key`.
#[derive(Debug, Clone, Default)]
pub struct Function {
    /// Unique for ARN, version and revision; instances are pooled by it.
    pub key: String,
    pub arn: String,
    pub name: String,
    /// `$LATEST` or a number.
    pub version: String,
    /// `nodejs20.x`, `python3.12`, `provided.al2023`, …
    pub runtime: String,
    pub handler: String,
    /// Unpacked code, read only.
    pub code: PathBuf,
    /// Unpacked layers in the order of the configuration: a later one wins.
    pub layers: Vec<PathBuf>,
    /// The user's variables. Credentials come from [`Host::credentials`] for each instance.
    pub environment: Vec<(String, String)>,
    pub memory_mb: u32,
    pub timeout: Duration,
    pub tmp_mb: u32,
    pub region: String,
    pub account: String,
    pub log_group: String,
    /// `LoggingConfig.LogFormat` is `JSON`.
    pub json_logs: bool,
    /// `LoggingConfig.ApplicationLogLevel` (JSON only).
    pub application_log_level: Option<String>,
    /// `LoggingConfig.SystemLogLevel` (JSON only).
    pub system_log_level: Option<String>,
    /// `TracingConfig.Mode` is `Active`.
    pub trace_active: bool,
}

/// One event for a function.
#[derive(Debug, Clone, Default)]
pub struct Invocation {
    pub request_id: String,
    pub payload: Bytes,
    /// JSON, decoded from the `X-Amz-Client-Context` header.
    pub client_context: Option<String>,
    /// JSON with `cognitoIdentityId` and `cognitoIdentityPoolId`.
    pub cognito_identity: Option<String>,
    pub trace_id: Option<String>,
    /// ARN as the caller named it, with version or alias.
    pub invoked_arn: String,
    pub wants_log_tail: bool,
    /// Stop earlier than the function's timeout.
    pub deadline: Option<Duration>,
    /// Whatever the owner wants to find again in [`Host::begins`].
    pub companion: Option<std::sync::Arc<dyn std::any::Any + Send + Sync>>,
}

/// The listening ends of a network of its own.
#[derive(Debug)]
pub struct Ends {
    /// TLS is spoken here.
    pub tls: std::net::TcpListener,
    /// In the order of [`crate::options::Network::Own`].
    pub plain: Vec<std::net::TcpListener>,
}

/// Credentials of the function's role.
#[derive(Debug, Clone, Default)]
pub struct Credentials {
    pub access_key: String,
    pub secret_key: String,
    pub session_token: String,
}

/// One log event. `text` ends with a newline, as in CloudWatch Logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    pub unix_ms: u64,
    pub text: String,
}

/// What the owner of the sandbox provides. Calls are made on async threads: they must not block.
pub trait Host: Send + Sync + 'static {
    /// Credentials for the new instance `instance` of `function`.
    fn credentials(&self, function: &Function, instance: u64) -> Credentials;
    /// Lines of one stream, in order. Called with batches; never concurrently for one stream.
    fn log(&self, function: &Function, stream: &str, lines: Vec<LogLine>);
    /// The instance has a network of its own: these are its ends.
    fn network(&self, _function: &Function, _instance: u64, _ends: Ends) {}
    /// `instance` is about to be given `invocation`.
    fn begins(&self, _instance: u64, _invocation: &Invocation) {}
    /// `instance` has no invocation any more.
    fn ends(&self, _instance: u64) {}
    /// The process of `instance` is gone.
    fn gone(&self, _instance: u64) {}
}
