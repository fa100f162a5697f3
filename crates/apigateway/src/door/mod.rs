//! The front door of HTTP APIs: by host (`{api}.execute-api.…`, or a custom domain) or by path
//! (`/_aws/execute-api/{api}/{stage}/…`, which needs no name resolution).
//!
//! A request finds its stage and route here, then passes `callers.rs` (who may) and `integrate.rs` (what
//! answers).

mod access_log;
mod callers;
pub(crate) mod domains;
mod integrate;
mod keys;
pub(crate) mod outward;
mod stage;

use std::sync::Arc;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::Value;
use undercast_kernel::http::{HttpEndpoint, Request, Response};
use undercast_kernel::{Context, Counted, Kernel, Lane, ServiceError};

pub(crate) use access_log::Destination;

use crate::engine::compiled::Matched;
use crate::engine::event::Surroundings;
use crate::engine::reply::message;
use crate::engine::variables::{Facts, Outcome, log_line};
use crate::limits::BODY_BYTES_MAX;
use crate::store::{APIS, OWNERS};
use access_log::AccessLog;
use callers::Admission;
use domains::Domains;
use keys::Issuers;
use stage::{Stage, Stages};

const PATH: &str = "/_aws/execute-api/";
const PRINCIPAL: &str = "apigateway.amazonaws.com";

/// What is kept here is a cache of what the store or an issuer says, except for lines of access logs on
/// their way.
#[derive(Clone, Default)]
pub(crate) struct FrontDoor {
    stages: Arc<Stages>,
    issuers: Arc<Issuers>,
    log: AccessLog,
    domains: Arc<Domains>,
}

/// The API and the rest of the path that a request names.
struct Address {
    api: String,
    /// With a leading slash, still encoded; may begin with a stage's name.
    path: String,
}

fn address(request: &Request) -> Option<Address> {
    if let Some(rest) = request.path.strip_prefix(PATH) {
        let (api, path) = rest.split_once('/').unwrap_or((rest, ""));
        return Some(Address { api: api.to_owned(), path: format!("/{path}") });
    }
    let (api, rest) = request.host_name().split_once('.')?;
    let known = rest.starts_with("execute-api.") && !api.is_empty();
    known.then(|| Address { api: api.to_owned(), path: request.path.clone() })
}

/// Where a request leads to.
struct Found {
    stage: Arc<Stage>,
    /// Within the stage.
    path: String,
    raw_path: String,
    domain: String,
}

impl HttpEndpoint for FrontDoor {
    fn matches(&self, request: &Request) -> bool {
        address(request).is_some() || self.domains.knows(request.host_name())
    }

    fn has_dark_side(&self) -> bool {
        true
    }

    fn asks_who_calls(&self) -> bool {
        true
    }

    fn serve(&self, kernel: Kernel, request: Request) -> BoxFuture<'static, Response> {
        let this = self.clone();
        async move {
            let request_id = kernel.env().ids.alphanumeric(16);
            let response = match this.find(&kernel, &request).await {
                Ok(Some(found)) => this.answer(&kernel, request, &found, &request_id).await,
                Ok(None) => message(404, "Not Found"),
                Err(error) => {
                    tracing::warn!(target: "undercast::apigateway", "{error}");
                    message(500, "Internal Server Error")
                }
            };
            response.header("apigw-requestid", request_id)
        }
        .boxed()
    }
}

impl FrontDoor {
    pub(crate) fn new(domains: Arc<Domains>) -> Self {
        Self { domains, ..Self::default() }
    }

    /// The stage that serves the request: the one that the domain's mapping or the first segment names,
    /// else `$default`.
    async fn find(
        &self,
        kernel: &Kernel,
        request: &Request,
    ) -> Result<Option<Found>, ServiceError> {
        let Some(address) = address(request) else {
            return self.find_mapped(kernel, request).await;
        };
        let Some(owner) = OWNERS.read(kernel.db(), &address.api).await? else {
            return Ok(None);
        };
        let key = (owner.account, owner.region, address.api);
        let Some(api) = APIS.read(kernel.db(), &key).await? else {
            return Ok(None);
        };
        let is_closed = api.document.get("DisableExecuteApiEndpoint").and_then(Value::as_bool);
        // What is made again for a candidate came by a door that was open.
        if is_closed == Some(true) && request.stand_in.is_none() {
            return Ok(None);
        }
        let stages = self.stages.get(kernel, &key, api.revision).await?;
        let domain = format!("{}.execute-api.{}.amazonaws.com", key.2, key.1);
        let (first, rest) = split_first(&address.path);
        let found = match (stages.get(&first), stages.get("$default")) {
            (Some(stage), _) => Found {
                stage: Arc::clone(stage),
                raw_path: format!("/{first}{rest}"),
                path: rest,
                domain,
            },
            (None, Some(stage)) => {
                let path = address.path;
                Found { stage: Arc::clone(stage), raw_path: path.clone(), path, domain }
            }
            (None, None) => return Ok(None),
        };
        Ok(Some(found))
    }

    async fn find_mapped(
        &self,
        kernel: &Kernel,
        request: &Request,
    ) -> Result<Option<Found>, ServiceError> {
        let host = request.host_name().to_ascii_lowercase();
        let mapped = domains::find(kernel.db(), &host, &request.path).await?;
        let Some((mapping, path)) = mapped else {
            return Ok(None);
        };
        let Some(owner) = OWNERS.read(kernel.db(), &mapping.api).await? else {
            return Ok(None);
        };
        let key = (owner.account, owner.region, mapping.api);
        let Some(api) = APIS.read(kernel.db(), &key).await? else {
            return Ok(None);
        };
        let stages = self.stages.get(kernel, &key, api.revision).await?;
        let stage = stages.get(&mapping.stage).cloned();
        let raw_path = request.path.clone();
        Ok(stage.map(|stage| Found { stage, path, raw_path, domain: host }))
    }

    async fn answer(
        &self,
        kernel: &Kernel,
        request: Request,
        found: &Found,
        request_id: &str,
    ) -> Response {
        let Ok(body) = request.body.collect(BODY_BYTES_MAX).await else {
            return message(413, "Request Entity Too Large");
        };
        let stage = &*found.stage;
        let around = Surroundings {
            account: &stage.account,
            api: &stage.api,
            stage: &stage.name,
            variables: &stage.variables,
            request_id,
            now_ms: kernel.env().clock.now_ms(),
            path: &found.path,
            raw_path: &found.raw_path,
            domain: &found.domain,
            authorized: None,
        };
        let origin = request.header("origin");
        let is_preflight = request.method == "OPTIONS"
            && request.header("access-control-request-method").is_some();
        if let (Some(cors), Some(origin), true) = (&stage.cors, origin, is_preflight) {
            return crate::cors::preflight(cors, origin);
        }
        let visit = Visit { kernel, door: self, stage, request: &request, body: &body, around };
        let response = visit.serve().await;
        match (&stage.cors, origin) {
            (Some(cors), Some(origin)) => crate::cors::decorate(response, cors, origin),
            _ => response,
        }
    }
}

/// The first segment of a path, and the rest of it.
fn split_first(path: &str) -> (String, String) {
    let inner = path.trim_start_matches('/');
    let (first, rest) = inner.split_once('/').unwrap_or((inner, ""));
    (first.to_owned(), format!("/{rest}"))
}

/// One request on its way.
struct Visit<'a> {
    kernel: &'a Kernel,
    door: &'a FrontDoor,
    stage: &'a Stage,
    request: &'a Request,
    body: &'a Bytes,
    around: Surroundings<'a>,
}

impl Visit<'_> {
    async fn serve(&self) -> Response {
        let matched = self.stage.compiled.find(&self.request.method, self.around.path);
        if !self.is_live() {
            return self.routed(matched.as_ref(), &mut Outcome::default()).await.0;
        }
        let clock = &self.kernel.env().clock;
        let begun = clock.monotonic();
        let mut outcome = Outcome::default();
        let (response, authorized) = self.routed(matched.as_ref(), &mut outcome).await;
        outcome.status = response.status;
        outcome.response_bytes = response.body.length().unwrap_or_default();
        let took = clock.monotonic().saturating_sub(begun).as_millis();
        outcome.latency_ms = u64::try_from(took).unwrap_or(u64::MAX);
        self.count(&outcome);
        let Some(log) = &self.stage.log else {
            return response;
        };
        let around = Surroundings { authorized: authorized.as_ref(), ..self.around };
        let facts = Facts {
            request: self.request,
            body: self.body,
            matched: matched.as_ref(),
            around: &around,
            response: None,
            outcome: Some(&outcome),
        };
        let line = log_line(&log.format, &facts);
        self.door.log.push(self.kernel, &log.to, around.now_ms, line);
        response
    }

    /// For the metrics of the API and of its stage.
    fn count(&self, outcome: &Outcome) {
        let Some(metrics) = self.kernel.metrics() else {
            return;
        };
        let (account, api, stage) = (self.around.account, self.around.api, self.around.stage);
        let all = [("ApiId", api), ("Stage", stage)];
        let count = |name: &str, value: u64, unit: &str| {
            let value = f64::from(u32::try_from(value).unwrap_or(u32::MAX));
            for dimensions in [all.get(..1).unwrap_or_default(), &all] {
                let namespace = "AWS/ApiGateway";
                let counted = Counted { namespace, name, dimensions, value, unit };
                metrics.count(account, &self.stage.region, &counted);
            }
        };
        count("Count", 1, "Count");
        count("4xx", u64::from((400..500).contains(&outcome.status)), "Count");
        count("5xx", u64::from(outcome.status >= 500), "Count");
        count("Latency", outcome.latency_ms, "Milliseconds");
        if let Some(integration) = &outcome.integration {
            count("IntegrationLatency", integration.latency_ms, "Milliseconds");
        }
    }

    /// The answer, and what was found out about the caller.
    async fn routed(
        &self,
        matched: Option<&Matched<'_>>,
        outcome: &mut Outcome,
    ) -> (Response, Option<Value>) {
        let Some(matched) = matched else {
            return (refused(outcome, 404, "Not Found"), None);
        };
        let now = self.kernel.env().clock.monotonic();
        let own = || matched.throttle.is_none_or(|bucket| bucket.take(now));
        if self.is_live() && !(own() && self.stage.account_bucket.take(now)) {
            return (refused(outcome, 429, "Too Many Requests"), None);
        }
        let authorized = match self.admit(matched).await {
            Admission::Granted(authorized) => authorized,
            Admission::Refused { response, why, text } => {
                outcome.error = Some(text.to_owned());
                outcome.authorizer_error = why;
                return (response, None);
            }
        };
        let around = Surroundings { authorized: authorized.as_ref(), ..self.around };
        let visit = Visit { around, ..*self };
        let Some(integration) = matched.integration else {
            return (refused(outcome, 500, "Internal Server Error"), authorized);
        };
        let (response, integrated) = visit.paired(matched, integration).await;
        outcome.integration = Some(integrated);
        (response, authorized)
    }

    fn is_live(&self) -> bool {
        self.request.side.as_ref().is_none_or(|side| *side.lane() == Lane::Live)
    }

    /// The gateway's own context; on the side that the request came from.
    fn context(&self) -> Context {
        let (account, region) = (self.around.account, self.stage.region.as_str());
        let ctx = self.kernel.service_context(PRINCIPAL, account, region);
        let ctx = match self.request.trace() {
            Some(root) => ctx.with_trace(root),
            None => ctx,
        };
        match &self.request.side {
            Some(side) => ctx.on_side(side),
            None => ctx,
        }
    }

    /// `arn:aws:execute-api:…:{api}/` and what stands behind it.
    fn arn(&self, rest: &str) -> String {
        let (account, region, api) = (self.around.account, &self.stage.region, self.around.api);
        format!("arn:aws:execute-api:{region}:{account}:{api}/{rest}")
    }
}

/// An answer of the gateway's own.
fn refused(outcome: &mut Outcome, status: u16, text: &str) -> Response {
    outcome.error = Some(text.to_owned());
    message(status, text)
}
