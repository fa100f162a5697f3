//! The one path of a call.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use futures::FutureExt;
use futures::future::BoxFuture;
use undercast_smithy::document::{DocumentReader, DocumentWriter};
use undercast_smithy::{Body, Document, OperationSchema, ShapeReader};
use undercast_store::{Db, Env, TaskKind};

use crate::http::HttpEndpoint;
use crate::operation::ErasedCall;
use crate::side::has_effects;
use crate::{
    Access, AliasMover, Authorize, Context, Credentials, Decision, Entry, ErasedHandler,
    ErasedOutput, EventBus, Fetch, Invoke, Journal, Metrics, Origin, Principal, Released,
    ResourceType, Seats, Service, ServiceError, Shadow, Side, SideCall, Sockets, StreamSource,
    Vault, What,
};

/// How strict the cloud is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// Policies are evaluated and reported, signatures are not verified.
    #[default]
    Open,
    /// Signatures are verified and policies enforced.
    Secure,
}

#[derive(Debug, Clone)]
pub struct Settings {
    pub mode: Mode,
    /// Stands in URLs that are made where no client asked: `http://127.0.0.1:4566`.
    pub public_url: String,
    /// Where custom resources send their answers: an HTTPS address without a port, if we have one.
    pub callback_url: String,
    /// The region of calls that name none.
    pub region: String,
    /// The account of keys that nobody issued.
    pub account: String,
    /// What secrets are sealed with before they are kept.
    pub vault: Vault,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            mode: Mode::Open,
            public_url: "http://127.0.0.1:4566".to_owned(),
            callback_url: "http://127.0.0.1:4566".to_owned(),
            region: "us-east-1".to_owned(),
            account: "000000000000".to_owned(),
            vault: Vault::default(),
        }
    }
}

/// All services and what they share. Cheap to clone.
#[derive(Clone)]
pub struct Kernel(Arc<Inner>);

struct Inner {
    db: Db,
    settings: Settings,
    services: OnceLock<Services>,
    invoke: OnceLock<Arc<dyn Invoke>>,
    authorize: OnceLock<Arc<dyn Authorize>>,
    credentials: OnceLock<Arc<dyn Credentials>>,
    shadow: OnceLock<Arc<dyn Shadow>>,
    released: OnceLock<Arc<dyn Released>>,
    metrics: OnceLock<Arc<dyn Metrics>>,
    sockets: OnceLock<Arc<dyn Sockets>>,
    fetch: OnceLock<Arc<dyn Fetch>>,
    event_bus: OnceLock<Arc<dyn EventBus>>,
    seats: Seats,
    meter: Meter,
    journal: Journal,
}

struct Services {
    list: Vec<Service>,
    by_id: HashMap<&'static str, usize>,
    resource_types: HashMap<&'static str, Arc<dyn ResourceType>>,
}

/// Counts of what was called.
#[derive(Debug, Default)]
pub struct Meter {
    pub calls: AtomicU64,
    pub errors: AtomicU64,
    /// Calls that would have been denied had policies been enforced.
    pub audited_denials: AtomicU64,
}

impl Kernel {
    /// A kernel without services: services are built with it in hand, then given to
    /// [`install`](Self::install).
    pub fn new(db: Db, settings: Settings) -> Self {
        Self(Arc::new(Inner {
            db,
            settings,
            services: OnceLock::new(),
            invoke: OnceLock::new(),
            authorize: OnceLock::new(),
            credentials: OnceLock::new(),
            shadow: OnceLock::new(),
            released: OnceLock::new(),
            metrics: OnceLock::new(),
            sockets: OnceLock::new(),
            fetch: OnceLock::new(),
            event_bus: OnceLock::new(),
            seats: Seats::default(),
            meter: Meter::default(),
            journal: Journal::default(),
        }))
    }

    /// Puts the services in place. Only the first call has an effect.
    pub fn install(&self, list: Vec<Service>) {
        let by_id = list.iter().enumerate().map(|(i, s)| (s.schema.id, i)).collect();
        let types = list.iter().flat_map(|service| &service.resource_types);
        let resource_types = types.map(|t| (t.name(), Arc::clone(t))).collect();
        let _ = self.0.services.set(Services { list, by_id, resource_types });
    }

    pub fn provide_invoke(&self, port: Arc<dyn Invoke>) {
        let _ = self.0.invoke.set(port);
    }

    pub fn provide_authorize(&self, port: Arc<dyn Authorize>) {
        let _ = self.0.authorize.set(port);
    }

    pub fn provide_credentials(&self, port: Arc<dyn Credentials>) {
        let _ = self.0.credentials.set(port);
    }

    pub fn provide_shadow(&self, port: Arc<dyn Shadow>) {
        let _ = self.0.shadow.set(port);
    }

    pub fn provide_released(&self, port: Arc<dyn Released>) {
        let _ = self.0.released.set(port);
    }

    /// Who wants to know that a release is over.
    pub fn released(&self) -> Option<&Arc<dyn Released>> {
        self.0.released.get()
    }

    pub fn provide_metrics(&self, port: Arc<dyn Metrics>) {
        let _ = self.0.metrics.set(port);
    }

    pub fn metrics(&self) -> Option<&Arc<dyn Metrics>> {
        self.0.metrics.get()
    }

    pub fn provide_sockets(&self, port: Arc<dyn Sockets>) {
        let _ = self.0.sockets.set(port);
    }

    /// Who watches invocations, while there is something to watch.
    pub fn shadow(&self) -> Option<&Arc<dyn Shadow>> {
        self.0.shadow.get().filter(|shadow| shadow.is_awake())
    }

    pub fn provide_fetch(&self, port: Arc<dyn Fetch>) {
        let _ = self.0.fetch.set(port);
    }

    pub fn fetch(&self) -> Result<&Arc<dyn Fetch>, ServiceError> {
        self.0.fetch.get().ok_or_else(|| ServiceError::unsupported("calling hosts outside"))
    }

    pub fn provide_event_bus(&self, port: Arc<dyn EventBus>) {
        let _ = self.0.event_bus.set(port);
    }

    /// Where services tell of themselves, if events are there.
    pub fn event_bus(&self) -> Option<&Arc<dyn EventBus>> {
        self.0.event_bus.get()
    }

    pub fn sockets(&self) -> Option<&Arc<dyn Sockets>> {
        self.0.sockets.get()
    }

    /// Where the instances sit that are watched.
    pub fn seats(&self) -> &Seats {
        &self.0.seats
    }

    pub fn db(&self) -> &Db {
        &self.0.db
    }

    pub fn env(&self) -> &Env {
        self.0.db.env()
    }

    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    pub fn meter(&self) -> &Meter {
        &self.0.meter
    }

    pub fn journal(&self) -> &Journal {
        &self.0.journal
    }

    pub fn services(&self) -> &[Service] {
        self.0.services.get().map_or(&[], |s| &s.list)
    }

    pub fn service(&self, id: &str) -> Option<&Service> {
        let services = self.0.services.get()?;
        services.list.get(*services.by_id.get(id)?)
    }

    pub fn resource_type(&self, name: &str) -> Option<Arc<dyn ResourceType>> {
        self.0.services.get()?.resource_types.get(name).cloned()
    }

    /// Who moves aliases by steps for the templates that want it.
    pub fn alias_movers(&self) -> impl Iterator<Item = &Arc<dyn AliasMover>> {
        self.services().iter().flat_map(|service| &service.alias_movers)
    }

    /// Who has the logs with this service in their ARNs.
    pub fn stream_source(&self, service: &str) -> Option<&Arc<dyn StreamSource>> {
        let mut all = self.services().iter().flat_map(|service| &service.stream_sources);
        all.find(|source| source.service() == service)
    }

    /// All front doors in the order in which they are asked, whatever the order of the services.
    pub fn endpoints(&self) -> impl Iterator<Item = &Arc<dyn HttpEndpoint>> {
        let all = || self.services().iter().flat_map(|service| &service.endpoints);
        all().filter(|door| !door.yields()).chain(all().filter(|door| door.yields()))
    }

    pub fn invoke(&self) -> Result<&Arc<dyn Invoke>, ServiceError> {
        self.0.invoke.get().ok_or_else(|| ServiceError::unsupported("invoking functions"))
    }

    pub fn credentials(&self) -> Option<&Arc<dyn Credentials>> {
        self.0.credentials.get()
    }

    /// A context for a caller that has been identified.
    pub fn context(
        &self,
        principal: Principal,
        account: impl Into<String>,
        region: impl Into<String>,
    ) -> Context {
        Context::new(self.clone(), principal, account, region)
    }

    /// The same for a request from outside, with the id that it was given.
    pub fn request_context(
        &self,
        principal: Principal,
        account: impl Into<String>,
        region: impl Into<String>,
        request_id: &str,
        origin: Origin,
    ) -> Context {
        Context::of_request(self.clone(), principal, account, region, request_id, origin)
    }

    /// A context in which a service acts by itself.
    pub fn service_context(&self, name: &'static str, account: &str, region: &str) -> Context {
        let principal = Principal::Service { name, account: account.to_owned() };
        self.context(principal, account, region)
    }

    /// All background work of all services, for the task runner.
    pub fn task_kinds(&self) -> Vec<TaskKind> {
        let specs = self.services().iter().flat_map(|service| &service.tasks);
        specs
            .map(|spec| {
                let kernel = self.clone();
                let run = Arc::clone(&spec.run);
                TaskKind {
                    name: spec.name,
                    concurrency: spec.concurrency,
                    attempts_max: spec.attempts_max,
                    backoff: spec.backoff,
                    run: Arc::new(move |task| run(kernel.clone(), task)),
                }
            })
            .collect()
    }

    /// Calls an operation by name with a document, as services do with each other.
    pub fn call(
        &self,
        ctx: &Context,
        service: &str,
        operation: &str,
        input: &Document,
    ) -> BoxFuture<'static, Result<Document, ServiceError>> {
        let call = self.call_for_body(ctx, service, operation, input);
        async move { Ok(call.await?.0) }.boxed()
    }

    /// The same for an operation whose output is streamed: the document beside the body.
    pub fn call_for_body(
        &self,
        ctx: &Context,
        service: &str,
        operation: &str,
        input: &Document,
    ) -> BoxFuture<'static, Result<(Document, Body), ServiceError>> {
        let call = self.dispatch(ctx, service, operation, &mut DocumentReader::new(input));
        async move { Ok(written(&*call.await?)) }.boxed()
    }

    /// The call path: decode and check → authorize → operation → meter and journal. The input is read before
    /// this returns; identity and lane are in `ctx` already.
    pub fn dispatch(
        &self,
        ctx: &Context,
        service: &str,
        operation: &str,
        reader: &mut dyn ShapeReader,
    ) -> BoxFuture<'static, Result<Box<dyn ErasedOutput>, ServiceError>> {
        self.0.meter.calls.fetch_add(1, Ordering::Relaxed);
        let found = self.find(service, operation);
        let named = found.as_ref().ok().map(|(named, ..)| *named);
        let decoded = found.and_then(|(named, service, handler)| {
            let decoded = handler.decode(reader);
            let (call, violations) = decoded.map_err(|error| (service.unreadable)(&error))?;
            match violations.is_empty() {
                true => Ok((named, call)),
                false => Err((service.refuse)(&violations)),
            }
        });
        let kernel = self.clone();
        let ctx = ctx.clone();
        async move {
            let clock = &kernel.env().clock;
            let (at_ms, begun) = (clock.now_ms(), clock.monotonic());
            let result = match decoded {
                Ok((named, call)) => kernel.run(ctx.clone(), named, call).await,
                Err(error) => Err(error),
            };
            if result.is_err() {
                kernel.0.meter.errors.fetch_add(1, Ordering::Relaxed);
            }
            if let Some(Named { service, operation }) = named {
                let what = What::Call { service, operation: operation.name };
                let took = clock.monotonic().saturating_sub(begun);
                let error = result.as_ref().err().map(|error| error.code().to_owned());
                kernel.0.journal.note(Entry::of(&ctx, at_ms, took, what, error));
            }
            result
        }
        .boxed()
    }

    fn find(
        &self,
        service: &str,
        operation: &str,
    ) -> Result<(Named, &Service, &dyn ErasedHandler), ServiceError> {
        let service = self
            .service(service)
            .ok_or_else(|| ServiceError::not_implemented(service, operation))?;
        let handler = service
            .handler(operation)
            .ok_or_else(|| ServiceError::not_implemented(service.schema.id, operation))?;
        let named = Named { service: service.schema.id, operation: handler.schema() };
        Ok((named, service, handler))
    }

    async fn run(
        &self,
        ctx: Context,
        named: Named,
        call: Box<dyn ErasedCall>,
    ) -> Result<Box<dyn ErasedOutput>, ServiceError> {
        if let Some(side) = ctx.side() {
            side.check_open()?;
        }
        let accesses = call.authorize(&ctx);
        self.check(&ctx, accesses).await?;
        match ctx.noting().filter(|_| has_effects(named.operation.name)).cloned() {
            None => call.handle(ctx.inside()).await,
            Some(side) => noted(&side, named, ctx.inside(), call).await,
        }
    }

    /// Asks IAM, and enforces or only reports what it says.
    pub async fn check(&self, ctx: &Context, accesses: Vec<Access>) -> Result<(), ServiceError> {
        let trusted = matches!(ctx.principal(), Principal::Service { .. } | Principal::Root { .. });
        let Some(port) = self.0.authorize.get().filter(|_| !trusted && !accesses.is_empty()) else {
            return Ok(());
        };
        match port.authorize(ctx.clone(), accesses).await? {
            Decision::Allowed => Ok(()),
            Decision::Denied { message } if self.0.settings.mode == Mode::Secure => {
                Err(ServiceError::access_denied(message))
            }
            Decision::Denied { message } => {
                self.0.meter.audited_denials.fetch_add(1, Ordering::Relaxed);
                tracing::info!(target: "undercast::audit", "would be denied: {message}");
                Ok(())
            }
        }
    }
}

#[derive(Clone, Copy)]
struct Named {
    service: &'static str,
    operation: &'static OperationSchema,
}

/// As a document, with the stream that stands beside it.
fn written(output: &dyn ErasedOutput) -> (Document, Body) {
    let mut writer = DocumentWriter::default();
    output.write(&mut writer);
    writer.finish_with_body()
}

/// Runs a call with side effects and notes it for the comparison with the other side.
async fn noted(
    side: &Side,
    named: Named,
    ctx: Context,
    call: Box<dyn ErasedCall>,
) -> Result<Box<dyn ErasedOutput>, ServiceError> {
    let has_stream = named.operation.takes_stream();
    // A streamed body stands beside the document: what it was is told by the tag of what became of it.
    let mut input = written(call.input()).0;
    let result = call.handle(ctx).await;
    if let (true, Ok(output), Document::Object(fields)) = (has_stream, &result, &mut input)
        && let Some(tag) = written(&**output).0.get("ETag")
    {
        fields.insert("Body".to_owned(), tag.clone());
    }
    side.note(SideCall {
        service: named.service,
        operation: named.operation.name,
        input,
        error: result.as_ref().err().map(|error| error.code().to_owned()),
    });
    result
}
