//! How services reach what another service owns, without knowing that service. Any operation can be
//! called by name ([`crate::Kernel::call`]); these ports are for what is no operation, or for hot
//! paths that a document would slow down.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;

use crate::{Access, Context, Principal, Seat, ServiceError, Side};

/// Runs functions. Provided by Lambda.
pub trait Invoke: Send + Sync + 'static {
    fn invoke(
        &self,
        ctx: Context,
        request: InvokeRequest,
    ) -> BoxFuture<'static, Result<InvokeResponse, ServiceError>>;
}

#[derive(Debug, Clone, Default)]
pub struct InvokeRequest {
    /// A function ARN, with or without a qualifier.
    pub function: String,
    pub payload: Bytes,
    pub kind: InvokeKind,
    /// What the function sees instead of values of its own: for a candidate those of its primary.
    pub guise: Option<Guise>,
}

/// The invocation that another one stands in for.
#[derive(Debug, Clone, Default)]
pub struct Guise {
    pub request_id: String,
    pub invoked_arn: String,
    pub client_context: Option<String>,
    pub trace_id: Option<String>,
    /// Less than the function's own timeout.
    pub deadline: Option<std::time::Duration>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum InvokeKind {
    /// Waits for the function's answer.
    #[default]
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

/// Takes what services tell of themselves. Provided by EventBridge.
pub trait EventBus: Send + Sync + 'static {
    /// Puts an event on the default bus of the context's account and region. Told at least once.
    fn put(
        &self,
        ctx: Context,
        event: ServiceEvent,
    ) -> BoxFuture<'static, Result<(), ServiceError>>;
}

/// An event of a service: `aws.s3`, `Object Created`.
#[derive(Debug, Clone)]
pub struct ServiceEvent {
    pub source: &'static str,
    pub detail_type: String,
    pub time_ms: i64,
    /// ARNs.
    pub resources: Vec<String>,
    pub detail: undercast_smithy::Document,
}

/// Watches what passes, to give it to a candidate in the dark. Provided by the release service.
pub trait Shadow: Send + Sync + 'static {
    /// Whether anything is watched at all. Asked on the path of every invocation.
    fn is_awake(&self) -> bool;

    /// The pair that this passage begins; `None` where nobody watches or this one is not in the sample.
    /// Called on the path of every invocation: it does no more than look something up.
    fn pair(&self, ctx: &Context, subject: &Subject<'_>) -> Option<Arc<dyn Pair>>;

    /// A version has answered for an alias whose traffic is being moved. Returns at once.
    fn served(&self, subject: &Subject<'_>, version: &str, served: Served);
}

/// Counts what services do. Provided by CloudWatch. What is counted is gathered in memory and written by and
/// by: a crash loses the last seconds of it.
pub trait Metrics: Send + Sync + 'static {
    /// Called on hot paths: returns at once.
    fn count(&self, account: &str, region: &str, counted: &Counted<'_>);
}

/// A value of a metric, as of now.
#[derive(Debug, Clone, Copy)]
pub struct Counted<'a> {
    pub namespace: &'a str,
    pub name: &'a str,
    pub dimensions: &'a [(&'a str, &'a str)],
    pub value: f64,
    /// `Count`, `Milliseconds`, …, `None`.
    pub unit: &'a str,
}

/// Wants to know when a release is over. Provided by CodeDeploy, whose deployments are releases.
pub trait Released: Send + Sync + 'static {
    /// The release with this name is over: promoted, finished or rolled back. Told at least once.
    fn released(&self, ctx: Context, name: String) -> BoxFuture<'static, Result<(), ServiceError>>;
}

/// How an invocation went.
#[derive(Debug, Clone, Copy)]
pub struct Served {
    pub took: std::time::Duration,
    pub failed: bool,
    /// A process was started for it, so that its time tells nothing.
    pub is_cold: bool,
}

/// What a run can watch.
#[derive(Debug, Clone, Copy)]
pub enum Subject<'a> {
    Function {
        /// Without a qualifier.
        arn: &'a str,
        qualifier: &'a str,
    },
    Route {
        api: &'a str,
        stage: &'a str,
        /// `GET /items/{id}`.
        route: &'a str,
    },
    Mapping {
        uuid: &'a str,
    },
}

/// A primary that is being answered. When it is dropped without an answer the pair is forgotten.
pub trait Pair: Send + Sync + 'static {
    /// What the primary's calls belong to.
    fn side(&self) -> &Arc<Side>;

    /// The primary has been answered: now its candidate may run. Returns at once.
    fn answered(self: Arc<Self>, given: Given, answer: Answered, took: std::time::Duration);
}

/// What a primary was given.
#[derive(Debug, Clone)]
pub enum Given {
    Event { payload: Bytes, guise: Guise },
    Http(Box<HttpGiven>),
}

/// A request to a front door, complete enough to be made again.
#[derive(Debug, Clone, Default)]
pub struct HttpGiven {
    pub method: String,
    pub host: String,
    /// Path within the stage, still percent-encoded.
    pub path: String,
    pub query: String,
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
    pub source_ip: String,
    /// What the door found out about the caller, in a form of its own.
    pub authorized: Option<undercast_smithy::Document>,
}

/// What a side answered.
#[derive(Debug, Clone)]
pub enum Answered {
    Function { payload: Bytes, error: Option<String> },
    Http { status: u16, headers: Vec<(String, String)>, body: Bytes },
}

/// A log in shards, which event source mappings read: a table's stream. Each service that has such logs
/// brings one with [`crate::Service::stream_source`].
pub trait StreamSource: Send + Sync + 'static {
    /// The service in the ARNs of its logs.
    fn service(&self) -> &'static str;

    /// What a reader has to be allowed, without the service.
    fn actions(&self) -> &'static [&'static str];

    /// The ids of the shards of a log.
    fn shards(
        &self,
        ctx: Context,
        arn: String,
    ) -> BoxFuture<'static, Result<Vec<String>, ServiceError>>;

    /// The position in a shard where a reader begins. Positions only grow.
    fn start(
        &self,
        ctx: Context,
        arn: String,
        shard: String,
        start: StreamStart,
    ) -> BoxFuture<'static, Result<u64, ServiceError>>;

    /// Up to `limit` records from a position on. What was trimmed is passed over.
    fn read(
        &self,
        ctx: Context,
        arn: String,
        shard: String,
        position: u64,
        limit: usize,
    ) -> BoxFuture<'static, Result<StreamPage, ServiceError>>;

    /// Tells of new records in a shard.
    fn watch(
        &self,
        ctx: Context,
        arn: String,
        shard: String,
    ) -> BoxFuture<'static, Result<undercast_store::Watch, ServiceError>>;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamStart {
    /// With the oldest record that is kept.
    TrimHorizon,
    /// Behind the newest one.
    Latest,
}

#[derive(Debug, Clone, Default)]
pub struct StreamPage {
    pub records: Vec<StreamRecord>,
    /// The position behind them.
    pub next: u64,
    /// Nothing will ever come behind them.
    pub is_end: bool,
}

#[derive(Debug, Clone)]
pub struct StreamRecord {
    pub sequence: String,
    pub position: u64,
    pub at_ms: i64,
    /// Records of one key have the same number here.
    pub group: u64,
    /// As a function sees it.
    pub body: undercast_smithy::Document,
}

/// Calls hosts outside. Provided by the server.
pub trait Fetch: Send + Sync + 'static {
    /// `url` is absolute; of `request` the method, the headers and the body are sent. The error says why
    /// there is no answer.
    fn fetch(
        &self,
        url: String,
        request: crate::http::Request,
    ) -> BoxFuture<'static, Result<crate::http::Response, String>>;
}

/// Serves the sockets of an instance with a network of its own. Provided by the server.
pub trait Sockets: Send + Sync + 'static {
    /// What could leak from the dark on this machine; nothing where instances have networks of their own.
    fn leaks(&self) -> Vec<String>;

    /// From now on, live functions reach these hosts outside through the cloud, which remembers what they answer.
    fn relay(&self, hosts: Vec<String>);

    /// Serves until the returned guard is dropped. Every call that arrives is made from `seat`.
    fn serve(&self, seat: Arc<Seat>, sockets: OwnSockets) -> Box<dyn std::any::Any + Send>;
}

/// Listeners inside a network of its own.
pub struct OwnSockets {
    pub tls: std::net::TcpListener,
    pub plain: Vec<std::net::TcpListener>,
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
