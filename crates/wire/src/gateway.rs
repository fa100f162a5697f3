//! The chain that every request goes through.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt as _;
use http::request::Parts;
use http::{Method, header};
use undercast_kernel::http::HttpEndpoint;
use undercast_kernel::{Context, ErasedOutput, Kernel, Mode, Origin, Principal, ServiceError};
use undercast_smithy::{Body, Kind, Protocol};

use crate::auth;
use crate::codec::query::{Pairs, parse_pairs};
use crate::error::{Family, body_error, unreadable};
use crate::front_door;
use crate::protocol::{self, Input, Target, aws_query};
use crate::reply::{Reply, ReplyBody};
use crate::service_router::{Routed, ServiceRouter, View, host_region};
use crate::sigv4::{self, Found, Signature};

/// How a gateway behaves.
#[derive(Clone)]
pub struct Options {
    /// The largest body that is taken into memory; S3 streams its objects beside it.
    pub body_bytes_max: u64,
    /// The same for Lambda, whose code archives come in JSON.
    pub code_bytes_max: u64,
    /// The server's own routes, asked before everything else.
    pub routes: Vec<Arc<dyn HttpEndpoint>>,
}

impl Default for Options {
    fn default() -> Self {
        Self { body_bytes_max: 16 << 20, code_bytes_max: 80 << 20, routes: Vec::new() }
    }
}

/// Answers requests. Cheap to clone.
#[derive(Clone)]
pub struct Gateway(Arc<Inner>);

struct Inner {
    kernel: Kernel,
    options: Options,
    router: ServiceRouter,
    /// Wall time and monotonic time at the start: together they tell the time of day even after
    /// somebody has moved the wall clock by hand.
    started: (i64, Duration),
}

/// Where a request came from.
struct Peer {
    ip: String,
    scheme: &'static str,
}

impl Gateway {
    /// Builds the routing tables from the kernel's services, which have to be installed already.
    pub fn new(kernel: Kernel, options: Options) -> Self {
        let schemas = kernel.services().iter().map(|service| service.schema);
        let router = ServiceRouter::new(schemas, &kernel.settings().public_url);
        let clock = &kernel.env().clock;
        let started = (clock.now_ms(), clock.monotonic());
        Self(Arc::new(Inner { kernel, options, router, started }))
    }

    pub fn kernel(&self) -> &Kernel {
        &self.0.kernel
    }

    /// Answers one request. A panic on the way is an answer, too.
    pub async fn handle<B>(
        &self,
        request: http::Request<B>,
        peer: SocketAddr,
        scheme: &'static str,
    ) -> http::Response<ReplyBody>
    where
        B: http_body::Body<Data = Bytes> + Unpin + Send + 'static,
        B::Error: std::fmt::Display,
    {
        let (parts, body) = request.into_parts();
        let peer = Peer { ip: peer.ip().to_string(), scheme };
        let answer = AssertUnwindSafe(self.answer(&parts, body, peer)).catch_unwind().await;
        let mut reply = answer.unwrap_or_else(|_| {
            tracing::error!(target: "undercast::wire", path = parts.uri.path(), "a request panicked");
            let target = Target { protocol: Protocol::AwsJson1_1, service: None, operation: None };
            let error = ServiceError::internal("a panic");
            protocol::encode_error(target, &error, &self.0.kernel.env().ids.uuid())
        });
        if parts.headers.contains_key(header::ORIGIN) {
            allow_origin(&mut reply);
        }
        reply.into_response()
    }

    async fn answer<B>(&self, parts: &Parts, body: B, peer: Peer) -> Reply
    where
        B: http_body::Body<Data = Bytes> + Unpin + Send + 'static,
        B::Error: std::fmt::Display,
    {
        let body = match self.front_door(parts, body, &peer).await {
            Ok(reply) => return reply,
            Err(body) => body,
        };
        if parts.method == Method::OPTIONS && parts.headers.contains_key(header::ORIGIN) {
            return preflight(parts);
        }
        let clock = &self.0.kernel.env().clock;
        let begun = clock.monotonic();
        let request_id = self.0.kernel.env().ids.uuid();
        let mut call = Call { gateway: self, parts, peer: &peer, request_id: &request_id, target: None };
        let result = call.run(body).await;
        let unknown = Target { protocol: Protocol::RestJson1, service: None, operation: None };
        let target = call.target.unwrap_or(unknown);
        let reply = result.unwrap_or_else(|error| {
            if let Some(source) = error.log_source() {
                tracing::error!(target: "undercast::wire", %request_id, "{error}: {source}");
            }
            protocol::encode_error(target, &error, &request_id)
        });
        tracing::info!(
            target: "undercast::wire",
            service = target.service.map_or("-", |s| s.id),
            operation = target.operation.map_or("-", |o| o.name),
            status = reply.status.as_u16(),
            micros = (clock.monotonic() - begun).as_micros() as u64,
            %request_id,
            "call"
        );
        reply
    }

    /// Lets the server's own routes and the front doors answer what is theirs, else gives the body
    /// back.
    async fn front_door<B>(&self, parts: &Parts, body: B, peer: &Peer) -> Result<Reply, B>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: std::fmt::Display,
    {
        let inner = &self.0;
        let target = parts.headers.get("x-amz-target").and_then(|t| t.to_str().ok());
        if target.is_some_and(|target| inner.router.knows_target(target)) {
            return Err(body);
        }
        let doors = || inner.options.routes.iter().chain(inner.kernel.endpoints());
        if doors().next().is_none() {
            return Err(body);
        }
        let outline = front_door::outline(parts, peer.scheme, &peer.ip);
        let Some(door) = doors().find(|door| door.matches(&outline)) else { return Err(body) };
        let request = front_door::complete(outline, parts, front_door::stream(body));
        Ok(front_door::reply(door.serve(inner.kernel.clone(), request).await))
    }
}

/// Browsers may call an API that is open to everybody anyway, or that its signature protects.
fn allow_origin(reply: &mut Reply) {
    if reply.headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN) {
        return;
    }
    reply.header("access-control-allow-origin", "*");
    reply.header("access-control-expose-headers", "*");
}

fn preflight(parts: &Parts) -> Reply {
    let asked = parts.headers.get(header::ACCESS_CONTROL_REQUEST_HEADERS);
    let asked = asked.and_then(|value| value.to_str().ok()).unwrap_or("*");
    let mut reply = Reply::new(200);
    reply.header("access-control-allow-methods", "GET, HEAD, POST, PUT, PATCH, DELETE");
    reply.header("access-control-allow-headers", asked);
    reply.header("access-control-max-age", "172800");
    reply
}

/// One call on its way.
struct Call<'g> {
    gateway: &'g Gateway,
    parts: &'g Parts,
    peer: &'g Peer,
    request_id: &'g str,
    /// Known once the call is routed; errors are written for it.
    target: Option<Target>,
}

impl<'g> Call<'g> {
    async fn run<B>(&mut self, body: B) -> Result<Reply, ServiceError>
    where
        B: http_body::Body<Data = Bytes> + Unpin + Send + 'static,
        B::Error: std::fmt::Display,
    {
        let parts = self.parts;
        let host = front_door::host(parts);
        let query = parse_pairs(parts.uri.query().unwrap_or_default()).map_err(|e| unreadable(&e))?;
        let found = sigv4::find(&parts.headers, &query);
        let signature = match &found {
            Found::Signed(signature) => Some(&**signature),
            _ => None,
        };
        let scope = signature.map(|s| &*s.service);
        // Where the operation stands in the body, the body is read before the call is routed.
        let (early, body) = match is_form(parts) && scope != Some("s3") {
            true => (self.collect(body, Family::Query).await?, None),
            false => (Bytes::new(), Some(body)),
        };
        let form = body.is_none().then(|| form_pairs(&early)).transpose()?;
        let name = host_name(host);
        let path = self.path(name, scope);
        let view = View {
            method: parts.method.as_str(),
            host: name,
            path: &path,
            query: &query,
            headers: &parts.headers,
            form: form.as_ref(),
            scope,
        };
        let routed = self.gateway.0.router.route(&view).map_err(|astray| {
            self.target = Some(astray.target);
            astray.error
        })?;
        self.target = Some(routed.target);
        if let Found::Incomplete(message) = &found {
            return Err(auth::incomplete(routed.target.family(), message.clone()));
        }
        let ctx = self.context(signature, &routed, name).await?;
        let (bytes, stream) = match body {
            None => (early.clone(), Body::default()),
            Some(body) => self.take_in(body, routed.target).await?,
        };
        let mut form = match form {
            Some(mut form) => {
                form.extend(query.iter().cloned());
                form
            }
            None => query.clone(),
        };
        if routed.target.service.is_some_and(|s| s.id == "sqs") {
            aws_query::add_queue_url(&mut form, &ctx.origin().url, parts.uri.path());
        }
        let input = Input { headers: &parts.headers, labels: routed.labels, query: &query, form, bytes: &bytes, stream };
        self.dispatch(&ctx, routed.target, input).await
    }

    /// The path under which S3 knows the request: a bucket in the host belongs in front of it.
    fn path(&self, host: &str, scope: Option<&str>) -> Cow<'g, str> {
        let path = self.parts.uri.path();
        let maybe_s3 = scope.is_none_or(|scope| scope == "s3");
        if maybe_s3
            && !self.parts.headers.contains_key("x-amz-target")
            && let Some(bucket) = self.gateway.0.router.bucket_host(host)
        {
            return Cow::Owned(format!("/{bucket}{path}"));
        }
        Cow::Borrowed(path)
    }

    async fn context(
        &self,
        signature: Option<&Signature<'_>>,
        routed: &Routed<'_>,
        host: &str,
    ) -> Result<Context, ServiceError> {
        let kernel = &self.gateway.0.kernel;
        let caller = auth::identify(kernel, signature).await?;
        let family = routed.target.family();
        let open_to_all = routed.target.operation.is_some_and(|operation| operation.unsigned);
        if kernel.settings().mode == Mode::Secure
            && caller.principal == Principal::Anonymous
            && family != Family::RestXml
            && !open_to_all
        {
            return Err(auth::missing(family));
        }
        let region = signature.map(|s| &*s.region).filter(|r| !r.is_empty() && *r != "*");
        let region = match region.or_else(|| host_region(host)) {
            Some("aws-global") => "us-east-1",
            Some(region) => region,
            None => &kernel.settings().region,
        };
        let agent = self.parts.headers.get(header::USER_AGENT).and_then(|a| a.to_str().ok());
        let origin = Origin {
            url: format!("{}://{}", self.peer.scheme, front_door::host(self.parts)),
            source_ip: self.peer.ip.clone(),
            user_agent: agent.unwrap_or_default().to_owned(),
        };
        let ctx = kernel.context(caller.principal, caller.account, region);
        Ok(ctx.with_request_id(self.request_id).with_origin(origin))
    }

    async fn collect<B>(&self, body: B, family: Family) -> Result<Bytes, ServiceError>
    where
        B: http_body::Body<Data = Bytes> + Unpin,
        B::Error: std::fmt::Display,
    {
        let limit = self.gateway.0.options.body_bytes_max;
        front_door::collect(body, limit).await.map_err(|error| body_error(family, error))
    }

    /// The body in memory, or as a stream where S3 wants one.
    async fn take_in<B>(&self, body: B, target: Target) -> Result<(Bytes, Body), ServiceError>
    where
        B: http_body::Body<Data = Bytes> + Unpin + Send + 'static,
        B::Error: std::fmt::Display,
    {
        if target.protocol == Protocol::RestXml && has_stream(target) {
            return Ok((Bytes::new(), front_door::stream(body)));
        }
        let options = &self.gateway.0.options;
        let limit = match target.service.map(|s| s.id) {
            Some("lambda") => options.code_bytes_max,
            _ => options.body_bytes_max,
        };
        let bytes = front_door::collect(body, limit).await;
        Ok((bytes.map_err(|error| body_error(target.family(), error))?, Body::default()))
    }

    async fn dispatch(
        &self,
        ctx: &Context,
        target: Target,
        mut input: Input<'_>,
    ) -> Result<Reply, ServiceError> {
        let (Some(service), Some(operation)) = (target.service, target.operation) else {
            return Err(ServiceError::internal("a call without an operation"));
        };
        let kernel = &self.gateway.0.kernel;
        let call = protocol::read(target, &mut input, |reader| {
            kernel.dispatch(ctx, service.id, operation.name, reader)
        })?;
        let output = caught(call).await?;
        Ok(protocol::encode(target.protocol, service, operation, &*output, self.request_id))
    }
}

type Output = Box<dyn ErasedOutput>;

/// A handler's panic is an internal failure of that call alone.
async fn caught(
    call: impl Future<Output = Result<Output, ServiceError>>,
) -> Result<Output, ServiceError> {
    match AssertUnwindSafe(call).catch_unwind().await {
        Ok(result) => result,
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic");
            Err(ServiceError::internal(format!("panic: {text}")))
        }
    }
}

fn has_stream(target: Target) -> bool {
    let payload = target.operation.and_then(|operation| operation.input.payload());
    payload.is_some_and(|(_, member)| matches!(member.schema.kind, Kind::Stream))
}

fn is_form(parts: &Parts) -> bool {
    let kind = parts.headers.get(header::CONTENT_TYPE).map(|kind| kind.as_bytes());
    parts.method == Method::POST
        && kind.is_some_and(|kind| kind.starts_with(b"application/x-www-form-urlencoded"))
}

fn form_pairs(bytes: &Bytes) -> Result<Pairs<'_>, ServiceError> {
    let text = std::str::from_utf8(bytes)
        .map_err(|_| ServiceError::new("MalformedInput", "The request body is not valid UTF-8."))?;
    parse_pairs(text.trim_ascii_end()).map_err(|error| unreadable(&error))
}

/// The host without its port.
fn host_name(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    }
}
