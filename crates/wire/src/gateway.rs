//! The chain that every request goes through.

use std::borrow::Cow;
use std::io::Read as _;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt as _;
use http::request::Parts;
use http::{HeaderMap, Method, header};
use undercast_kernel::http::{HttpEndpoint, Request, Response, Signed as SignedBy, TRACE_HEADER};
use undercast_kernel::{
    Context, Entry, ErasedOutput, Kernel, Mode, Origin, Principal, Seat, Seats, ServiceError, What,
    new_root, trace_root,
};
use undercast_smithy::{Body, BodyError, OperationSchema, Protocol, ReadError};

use crate::auth::{self, Caller};
use crate::codec::query::{Pairs, parse_pairs};
use crate::echo::Echo;
use crate::error::{Family, body_error, unreadable};
use crate::front_door;
use crate::http_binding::header_text;
use crate::intake;
use crate::protocol::{self, Input, Target, aws_query};
use crate::reply::{Reply, ReplyBody};
use crate::service_router::{Routed, ServiceRouter, View, host_region};
use crate::sigv4::{self, Form, Found, Signature, Signed, SigningKey};

/// How a gateway behaves.
#[derive(Clone)]
pub struct Options {
    /// The largest body that is taken into memory; S3 streams its objects beside it.
    pub body_bytes_max: u64,
    /// The same for Lambda, whose code archives come in JSON.
    pub code_bytes_max: u64,
    /// The server's own routes, asked before everything else.
    pub routes: Vec<Arc<dyn HttpEndpoint>>,
    /// Answers with what was given beforehand instead of running handlers.
    pub echo: Option<Echo>,
}

impl Default for Options {
    fn default() -> Self {
        Self { body_bytes_max: 16 << 20, code_bytes_max: 80 << 20, routes: Vec::new(), echo: None }
    }
}

/// Answers requests. Cheap to clone.
#[derive(Clone)]
pub struct Gateway(Arc<Inner>, Option<Arc<Seated>>);

/// The network of one instance.
struct Seated {
    seat: Arc<Seat>,
    /// Asked before all other doors.
    doors: Vec<Arc<dyn HttpEndpoint>>,
}

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
        let mut options = options;
        if let Some(echo) = &options.echo {
            options.routes.push(Arc::new(echo.clone()));
        }
        Self(Arc::new(Inner { kernel, options, router, started }), None)
    }

    /// The same gateway for a network that belongs to one instance: every call comes from `seat`, and
    /// `doors` are asked before all others.
    #[must_use]
    pub fn for_seat(&self, seat: Arc<Seat>, doors: Vec<Arc<dyn HttpEndpoint>>) -> Self {
        Self(Arc::clone(&self.0), Some(Arc::new(Seated { seat, doors })))
    }

    fn is_secure(&self) -> bool {
        self.0.kernel.settings().mode == Mode::Secure
    }

    /// The time of day as the clock tells it, and as it would tell had nobody moved it by hand
    /// since the start: a signature is fresh by either.
    fn now_ms(&self) -> [i64; 2] {
        let clock = &self.0.kernel.env().clock;
        let (wall_ms, monotonic) = self.0.started;
        let passed = clock.monotonic().saturating_sub(monotonic).as_millis();
        [clock.now_ms(), wall_ms.saturating_add(i64::try_from(passed).unwrap_or(i64::MAX))]
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
        let reply = answer.unwrap_or_else(|_| {
            tracing::error!(target: "undercast::wire", path = parts.uri.path(), "a request panicked");
            let target = Target { protocol: Protocol::AwsJson1_1, service: None, operation: None };
            let error = ServiceError::internal("a panic");
            protocol::encode_error(target, &error, &self.0.kernel.env().ids.uuid())
        });
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
        let cross_origin = parts.headers.contains_key(header::ORIGIN);
        if parts.method == Method::OPTIONS && cross_origin {
            return preflight(parts);
        }
        let clock = &self.0.kernel.env().clock;
        let begun = clock.monotonic();
        let request_id = self.0.kernel.env().ids.uuid();
        let mut call =
            Call { gateway: self, parts, peer: &peer, request_id: &request_id, target: None };
        let result = call.run(body).await;
        let unknown = Target { protocol: Protocol::RestJson1, service: None, operation: None };
        let target = call.target.unwrap_or(unknown);
        let mut reply = result.unwrap_or_else(|error| {
            if let Some(source) = error.log_source() {
                tracing::error!(target: "undercast::wire", %request_id, "{error}: {source}");
            }
            protocol::encode_error(target, &error, &request_id)
        });
        // In secure mode a bucket's own rules say who may read it from where.
        if cross_origin && (!self.is_secure() || target.family() != Family::RestXml) {
            allow_origin(&mut reply);
        }
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
        if self.1.is_none() && target.is_some_and(|target| inner.router.knows_target(target)) {
            return Err(body);
        }
        let own = self.1.as_ref().map_or(&[][..], |seated| &seated.doors);
        let doors = || own.iter().chain(&inner.options.routes).chain(inner.kernel.endpoints());
        if doors().next().is_none() {
            return Err(body);
        }
        let outline = front_door::outline(parts, peer.scheme, &peer.ip);
        let Some(door) = doors().find(|door| door.matches(&outline)) else {
            return Err(body);
        };
        let mut request = front_door::complete(outline, parts, front_door::stream(body));
        if door.asks_who_calls() {
            let Ok(bytes) = request.body.collect(inner.options.body_bytes_max).await else {
                return Ok(Reply::new(413));
            };
            let request_id = inner.kernel.env().ids.uuid();
            let call = Call { gateway: self, parts, peer, request_id: &request_id, target: None };
            request.caller = call.who(&bytes).await;
            request.body = Body::from_bytes(bytes);
        }
        request.side = self.1.as_ref().and_then(|seated| seated.seat.side());
        let is_dark = self.1.as_ref().is_some_and(|seated| seated.seat.is_dark());
        if is_dark && !door.has_dark_side() {
            return Ok(front_door::reply(closed_in_the_dark(&request.path)));
        }
        let kernel = &inner.kernel;
        let response = match door.is_noted() {
            true => serve_noted(kernel, &**door, request, is_dark).await,
            false => door.serve(kernel.clone(), request).await,
        };
        Ok(front_door::reply(response))
    }
}

/// Serves a request as a part of a trace, and notes what became of it.
async fn serve_noted(
    kernel: &Kernel,
    door: &dyn HttpEndpoint,
    mut request: Request,
    is_dark: bool,
) -> Response {
    let env = kernel.env();
    if request.trace().is_none() {
        request.headers.retain(|(name, _)| name != TRACE_HEADER);
        let root = format!("Root={}", new_root(env));
        request.headers.push((TRACE_HEADER.to_owned(), root));
    }
    let (at_ms, begun) = (env.clock.now_ms(), env.clock.monotonic());
    let trace = request.trace().map(Arc::from);
    let (method, host, path) = (request.method.clone(), request.host.clone(), request.path.clone());
    let response = door.serve(kernel.clone(), request).await;
    let took = env.clock.monotonic().saturating_sub(begun);
    let id = response.headers.iter().find(|(name, _)| REQUEST_ID_HEADERS.contains(&&**name));
    kernel.journal().note(Entry {
        at_ms,
        took_us: u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
        request_id: id.map(|(_, id)| id.clone()).unwrap_or_default(),
        trace,
        account: String::new(),
        caller: None,
        is_dark,
        what: What::Http { method, host, path, status: response.status },
        error: None,
    });
    response
}

/// Under which names front doors tell the id of a request.
const REQUEST_ID_HEADERS: [&str; 3] = ["apigw-requestid", "x-amzn-requestid", "x-amzn-RequestId"];

fn closed_in_the_dark(path: &str) -> Response {
    let message = format!("{path} is not served in the dark lane");
    Response::json(403, &serde_json::json!({"__type": "DarkLane", "message": message}))
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
    allow_origin(&mut reply);
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

/// A body that has been taken in.
struct Taken<'h> {
    bytes: Bytes,
    stream: Body,
    headers: Cow<'h, HeaderMap>,
}

impl<'g> Call<'g> {
    async fn run<B>(&mut self, body: B) -> Result<Reply, ServiceError>
    where
        B: http_body::Body<Data = Bytes> + Unpin + Send + 'static,
        B::Error: std::fmt::Display,
    {
        let parts = self.parts;
        let name = host_name(front_door::host(parts));
        let query =
            parse_pairs(parts.uri.query().unwrap_or_default()).map_err(|e| unreadable(&e))?;
        let found = sigv4::find(&parts.headers, &query);
        let signature = match &found {
            Found::Signed(signature) | Found::Incomplete(_, Some(signature)) => Some(&**signature),
            _ => None,
        };
        let scope = signature.map(|s| &*s.service);
        // Where the operation stands in the body, the body is read before the call is routed.
        let is_query = is_form(parts) && scope != Some("s3");
        if is_query {
            let protocol = Protocol::AwsQuery;
            self.target = Some(Target { protocol, service: None, operation: None });
        }
        let (early, body) = match is_query {
            true => (self.collect(body, Family::Query, None).await?, None),
            false => (Bytes::new(), Some(body)),
        };
        let form = match body {
            None => self.inflated(early.clone(), Family::Query)?,
            Some(_) => Bytes::new(),
        };
        let form = body.is_none().then(|| form_pairs(&form)).transpose()?;
        let path = self.path(name, scope);
        let routed = self.gateway.0.router.route(&View {
            method: parts.method.as_str(),
            host: name,
            path: &path,
            query: &query,
            headers: &parts.headers,
            form: form.as_ref(),
            scope,
        });
        let Routed { target, labels } = routed.map_err(|astray| {
            self.target = Some(astray.target);
            astray.error
        })?;
        self.target = Some(target);
        let caller = self.identify(&found, signature).await?;
        let taken = match body {
            Some(body) => self.take_in(body, &caller, signature).await?,
            None => self.taken(early.clone(), &caller, signature)?,
        };
        let ctx = self.context(caller, signature, name);
        let mut form = form.unwrap_or_default();
        if target.protocol == Protocol::AwsQuery {
            form.extend(query.iter().cloned());
            if target.service.is_some_and(|s| s.id == "sqs") {
                aws_query::add_queue_url(&mut form, &ctx.origin().url, parts.uri.path());
            }
        }
        let input = Input {
            headers: &taken.headers,
            labels,
            query: &query,
            form,
            bytes: &self.inflated(taken.bytes, target.family())?,
            stream: taken.stream,
        };
        self.dispatch(&ctx, target, input).await
    }

    /// Who signed a request for a front door; in secure mode the signature has to be right.
    async fn who(&self, bytes: &Bytes) -> SignedBy {
        let Ok(query) = parse_pairs(self.parts.uri.query().unwrap_or_default()) else {
            return SignedBy::No;
        };
        let found = sigv4::find(&self.parts.headers, &query);
        let signature = match &found {
            Found::Signed(signature) => Some(&**signature),
            Found::Incomplete(message, _) => return SignedBy::Wrongly(message.clone()),
            Found::Nothing => return SignedBy::No,
        };
        let caller = match self.identify(&found, signature).await {
            Ok(caller) => caller,
            Err(error) => return SignedBy::Wrongly(error.message().to_owned()),
        };
        if let Err(error) = self.taken(bytes.clone(), &caller, signature) {
            return SignedBy::Wrongly(error.message().to_owned());
        }
        let host = host_name(front_door::host(self.parts));
        SignedBy::By(Box::new(self.context(caller, signature, host)))
    }

    fn family(&self) -> Family {
        self.target.map_or(Family::RestJson, |target| target.family())
    }

    fn is_secure(&self) -> bool {
        self.gateway.is_secure()
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

    async fn identify(
        &self,
        found: &Found<'_>,
        signature: Option<&Signature<'_>>,
    ) -> Result<Caller, ServiceError> {
        let family = self.family();
        if let Found::Incomplete(message, partial) = found
            && (self.is_secure() || partial.is_none())
        {
            return Err(auth::incomplete(family, message.clone()));
        }
        if let Some(signature) = signature {
            auth::check_expiry(signature, &self.gateway.now_ms())?;
        }
        let caller = auth::identify(&self.gateway.0.kernel, signature).await?;
        let operation = self.target.and_then(|target| target.operation);
        let open_to_all = operation.is_some_and(|operation| operation.unsigned);
        if caller.principal == Principal::Anonymous && family != Family::RestXml && !open_to_all {
            return Err(auth::missing(family));
        }
        Ok(caller)
    }

    /// In secure mode, the key of a signature that has been found right.
    fn authenticate(
        &self,
        caller: &Caller,
        signature: Option<&Signature<'_>>,
        payload_hash: &str,
    ) -> Result<Option<SigningKey>, ServiceError> {
        let Some(signature) = signature.filter(|_| self.is_secure()) else {
            return Ok(None);
        };
        let uri = &self.parts.uri;
        let signed = Signed {
            method: self.parts.method.as_str(),
            path: uri.path(),
            query: uri.query().unwrap_or_default(),
            headers: &self.parts.headers,
            payload_hash,
        };
        let now_ms = self.gateway.now_ms();
        let path = self.path(host_name(front_door::host(self.parts)), Some("s3"));
        auth::authenticate(self.family(), caller, signature, &signed, &path, &now_ms)
    }

    fn context(&self, caller: Caller, signature: Option<&Signature<'_>>, host: &str) -> Context {
        let kernel = &self.gateway.0.kernel;
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
        let Caller { principal, account, .. } = caller;
        let ctx = kernel.request_context(principal, account, region, self.request_id, origin);
        let trace = self.parts.headers.get(TRACE_HEADER).and_then(|header| header.to_str().ok());
        let ctx = match trace.and_then(trace_root) {
            Some(root) => ctx.with_trace(root),
            None => ctx,
        };
        match self.seat(signature) {
            Some(seat) => seat.enter(&ctx),
            None => ctx,
        }
    }

    /// Where the caller sits: in a network of its own, or under the mark in its session token.
    fn seat(&self, signature: Option<&Signature<'_>>) -> Option<Arc<Seat>> {
        if let Some(seated) = &self.gateway.1 {
            return Some(Arc::clone(&seated.seat));
        }
        let mark = Seats::split(signature?.token.as_deref()?).1?;
        self.gateway.0.kernel.seats().find(mark)
    }

    async fn collect<B>(
        &self,
        body: B,
        family: Family,
        service: Option<&str>,
    ) -> Result<Bytes, ServiceError>
    where
        B: http_body::Body<Data = Bytes> + Unpin,
        B::Error: std::fmt::Display,
    {
        let options = &self.gateway.0.options;
        let limit = match service {
            Some("lambda") => options.code_bytes_max,
            _ => options.body_bytes_max,
        };
        front_door::collect(body, limit).await.map_err(|error| body_error(family, error))
    }

    /// The body in memory, or as a stream where S3 wants one.
    async fn take_in<B>(
        &self,
        body: B,
        caller: &Caller,
        signature: Option<&Signature<'_>>,
    ) -> Result<Taken<'g>, ServiceError>
    where
        B: http_body::Body<Data = Bytes> + Unpin + Send + 'static,
        B::Error: std::fmt::Display,
    {
        let family = self.family();
        if family != Family::RestXml {
            let service = self.target.and_then(|target| target.service).map(|s| s.id);
            let bytes = self.collect(body, family, service).await?;
            return self.taken(bytes, caller, signature);
        }
        let headers = &self.parts.headers;
        let hash = self.s3_payload_hash(signature)?;
        let verified = self.authenticate(caller, signature, &hash)?;
        let verified = signature.zip(verified);
        let operation = self.target.and_then(|target| target.operation);
        let of_body = operation.is_none_or(|o| o.name != "CompleteMultipartUpload");
        let intake = intake::prepare(headers, front_door::stream(body), of_body, verified)?;
        if operation.is_some_and(OperationSchema::takes_stream) {
            return Ok(Taken { bytes: Bytes::new(), stream: intake.body, headers: intake.headers });
        }
        let bytes = intake.body.collect(self.gateway.0.options.body_bytes_max).await;
        let bytes = bytes.map_err(|error| body_error(family, error))?;
        Ok(Taken { bytes, stream: Body::default(), headers: intake.headers })
    }

    /// A body in memory, whose hash the signature covers even where no header tells it.
    fn taken(
        &self,
        bytes: Bytes,
        caller: &Caller,
        signature: Option<&Signature<'_>>,
    ) -> Result<Taken<'g>, ServiceError> {
        if self.is_secure() && signature.is_some() {
            let unsigned = self.parts.headers.get("x-amz-content-sha256");
            let hash = match unsigned.map(|value| value.as_bytes()) {
                Some(b"UNSIGNED-PAYLOAD") => Cow::Borrowed(sigv4::UNSIGNED_PAYLOAD),
                _ => Cow::Owned(sigv4::sha256_hex(&bytes)),
            };
            self.authenticate(caller, signature, &hash)?;
        }
        let headers = Cow::Borrowed(&self.parts.headers);
        Ok(Taken { bytes, stream: Body::default(), headers })
    }

    /// A body that a client compressed, as it was before; S3 keeps such bodies as they are.
    fn inflated(&self, bytes: Bytes, family: Family) -> Result<Bytes, ServiceError> {
        let encoding = self.parts.headers.get(header::CONTENT_ENCODING);
        if family == Family::RestXml || encoding.is_none_or(|value| value != "gzip") {
            return Ok(bytes);
        }
        let limit = self.gateway.0.options.body_bytes_max;
        let mut plain = Vec::new();
        let mut decoder = flate2::read::GzDecoder::new(&*bytes).take(limit + 1);
        if decoder.read_to_end(&mut plain).is_err() {
            let message = "The request body is not valid gzip.".to_owned();
            return Err(unreadable(&ReadError::Syntax(message)));
        }
        if plain.len() as u64 > limit {
            return Err(body_error(family, BodyError::TooLarge { limit }));
        }
        Ok(plain.into())
    }

    /// What stands for the payload in S3's signatures.
    fn s3_payload_hash(
        &self,
        signature: Option<&Signature<'_>>,
    ) -> Result<Cow<'g, str>, ServiceError> {
        let Some(signature) = signature.filter(|_| self.is_secure()) else {
            return Ok(Cow::Borrowed(""));
        };
        let header = self.parts.headers.get("x-amz-content-sha256");
        let Some(value) = header.map(|value| header_text(value.as_bytes())) else {
            if signature.form != Form::Header {
                return Ok(Cow::Borrowed(sigv4::UNSIGNED_PAYLOAD));
            }
            return Err(ServiceError::new(
                "InvalidRequest",
                "Missing required header for this request: x-amz-content-sha256",
            ));
        };
        let hash = value.len() == 64 && value.bytes().all(|b| b.is_ascii_hexdigit());
        if hash || value == sigv4::UNSIGNED_PAYLOAD || value.starts_with("STREAMING-") {
            return Ok(value);
        }
        Err(ServiceError::new(
            "InvalidArgument",
            "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, \
             STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a \
             valid sha256 value.",
        ))
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
        let output = if let Some(echo) = &self.gateway.0.options.echo {
            let handler = kernel.service(service.id).and_then(|s| s.handler(operation.name));
            let handler =
                handler.ok_or_else(|| ServiceError::not_implemented(service.id, operation.name))?;
            let heard = protocol::read(target, &mut input, |reader| Echo::hear(handler, reader))??;
            echo.answer(target, handler, heard).await?
        } else {
            let call = protocol::read(target, &mut input, |reader| {
                kernel.dispatch(ctx, service.id, operation.name, reader)
            })?;
            caught(call).await?
        };
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
