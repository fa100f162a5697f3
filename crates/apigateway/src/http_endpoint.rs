//! The front door of HTTP APIs: by host (`{api}.execute-api.…`) or by path
//! (`/_aws/execute-api/{api}/{stage}/…`, which needs no name resolution).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::{Map, Value};
use undercast_kernel::http::{HttpEndpoint, Request, Response};
use undercast_kernel::{
    Answered, Context, Given, HttpGiven, InvokeKind, InvokeRequest, Kernel, ServiceError, Subject,
};
use undercast_smithy::Body;
use undercast_store::Tx;

use crate::engine::compiled::{Compiled, Integration, Matched};
use crate::engine::event::{self, Surroundings};
use crate::engine::parts::{DEPLOYMENT, INTEGRATION, ROUTE, STAGE, list};
use crate::engine::reply::{self, message};
use crate::store::{APIS, OWNERS, PARTS, Snapshot};

const PATH: &str = "/_aws/execute-api/";
const BODY_BYTES_MAX: u64 = 10 << 20;
/// How many stages are kept compiled.
const STAGES_MAX: usize = 1_000;

type Key = (String, String);

/// Stages ready to serve, by API id and name; each is good while its API has the same revision.
#[derive(Clone, Default)]
pub(crate) struct FrontDoor {
    stages: Arc<Mutex<HashMap<Key, (u64, Arc<Stage>)>>>,
}

struct Stage {
    account: String,
    region: String,
    name: String,
    variables: Map<String, Value>,
    cors: Option<Value>,
    compiled: Compiled,
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

impl HttpEndpoint for FrontDoor {
    fn matches(&self, request: &Request) -> bool {
        address(request).is_some()
    }

    fn has_dark_side(&self) -> bool {
        true
    }

    fn serve(&self, kernel: Kernel, request: Request) -> BoxFuture<'static, Response> {
        let this = self.clone();
        async move {
            let Some(address) = address(&request) else {
                return message(404, "Not Found");
            };
            let request_id = kernel.env().ids.alphanumeric(16);
            let response = match this.stage(&kernel, &address).await {
                Ok(Some((stage, path))) => {
                    answer(&kernel, request, &stage, &address.api, &path, &request_id).await
                }
                Ok(None) => message(404, "Not Found"),
                Err(_) => message(500, "Internal Server Error"),
            };
            response.header("apigw-requestid", request_id)
        }
        .boxed()
    }
}

impl FrontDoor {
    /// The stage that serves the address, and the path within it: the stage that the first segment
    /// names, else `$default`.
    async fn stage(
        &self,
        kernel: &Kernel,
        address: &Address,
    ) -> Result<Option<(Arc<Stage>, String)>, ServiceError> {
        let Some(owner) = OWNERS.read(kernel.db(), &address.api).await? else {
            return Ok(None);
        };
        let key = (owner.account, owner.region, address.api.clone());
        let Some(api) = APIS.read(kernel.db(), &key).await? else {
            return Ok(None);
        };
        let (first, rest) = split_first(&address.path);
        for (name, path) in [(first, rest), ("$default".to_owned(), address.path.clone())] {
            if let Some(stage) = self.compiled(kernel, &key, &name, api.revision).await? {
                return Ok(Some((stage, path)));
            }
        }
        Ok(None)
    }

    async fn compiled(
        &self,
        kernel: &Kernel,
        key: &(String, String, String),
        name: &str,
        revision: u64,
    ) -> Result<Option<Arc<Stage>>, ServiceError> {
        let cache_key = (key.2.clone(), name.to_owned());
        {
            let stages = self.stages.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((_, stage)) = stages.get(&cache_key).filter(|(r, _)| *r == revision) {
                return Ok(Some(Arc::clone(stage)));
            }
        }
        let ctx = kernel.service_context("apigateway.amazonaws.com", &key.0, &key.1);
        let input = (key.2.clone(), name.to_owned());
        let loaded = ctx.transact(input, |tx, ctx, input| async move {
            load(&tx, &ctx, &input.0, &input.1).await
        });
        let Some(stage) = loaded.await?.map(Arc::new) else {
            return Ok(None);
        };
        let mut stages = self.stages.lock().unwrap_or_else(PoisonError::into_inner);
        if stages.len() >= STAGES_MAX {
            stages.clear();
        }
        stages.insert(cache_key, (revision, Arc::clone(&stage)));
        Ok(Some(stage))
    }
}

/// The first segment of a path, and the rest of it.
fn split_first(path: &str) -> (String, String) {
    let inner = path.trim_start_matches('/');
    let (first, rest) = inner.split_once('/').unwrap_or((inner, ""));
    (first.to_owned(), format!("/{rest}"))
}

async fn load(
    tx: &Tx,
    ctx: &Context,
    api: &str,
    name: &str,
) -> Result<Option<Stage>, ServiceError> {
    let part = |kind: &str, id: &str| (api.to_owned(), kind.to_owned(), id.to_owned());
    let Some(row) = PARTS.get(tx, &part(STAGE, name)).await? else {
        return Ok(None);
    };
    let auto = row.document.get("AutoDeploy").and_then(Value::as_bool).unwrap_or(false);
    let snapshot = if auto {
        let documents =
            |rows: Vec<crate::store::PartRow>| rows.into_iter().map(|r| r.document).collect();
        Some(Snapshot {
            routes: documents(list(tx, ctx, api, ROUTE).await?),
            integrations: documents(list(tx, ctx, api, INTEGRATION).await?),
        })
    } else {
        match row.document.get("DeploymentId").and_then(Value::as_str) {
            Some(id) => PARTS.get(tx, &part(DEPLOYMENT, id)).await?.and_then(|row| row.snapshot),
            None => None,
        }
    };
    let key = (ctx.account().to_owned(), ctx.region().to_owned(), api.to_owned());
    let api_row = APIS.get(tx, &key).await?;
    let cors = api_row.and_then(|row| row.document.get("CorsConfiguration").cloned());
    let variables = row.document.get("StageVariables").and_then(Value::as_object).cloned();
    Ok(Some(Stage {
        account: key.0,
        region: key.1,
        name: name.to_owned(),
        variables: variables.unwrap_or_default(),
        cors,
        compiled: Compiled::new(&snapshot.unwrap_or_default()),
    }))
}

async fn answer(
    kernel: &Kernel,
    request: Request,
    stage: &Stage,
    api: &str,
    path: &str,
    request_id: &str,
) -> Response {
    let origin = request.header("origin").map(str::to_owned);
    if let (Some(cors), Some(origin)) = (&stage.cors, &origin)
        && request.method == "OPTIONS"
        && request.header("access-control-request-method").is_some()
    {
        return crate::cors::preflight(cors, origin);
    }
    let Some(matched) = stage.compiled.find(&request.method, path) else {
        return message(404, "Not Found");
    };
    let Some(integration) = matched.integration else {
        return message(500, "Internal Server Error");
    };
    let Ok(body) = request.body.collect(BODY_BYTES_MAX).await else {
        return message(413, "Request Entity Too Large");
    };
    let domain = format!("{api}.execute-api.{}.amazonaws.com", stage.region);
    let around = Surroundings {
        account: &stage.account,
        api,
        stage: &stage.name,
        variables: &stage.variables,
        request_id,
        now_ms: kernel.env().clock.now_ms(),
        path,
        domain: &domain,
    };
    let visit = Visit { kernel, request: &request, body: &body, region: &stage.region };
    let response = visit.paired(&matched, integration, &around).await;
    match (&stage.cors, origin) {
        (Some(cors), Some(origin)) => crate::cors::decorate(response, cors, &origin),
        _ => response,
    }
}

/// One request on its way to an integration.
struct Visit<'a> {
    kernel: &'a Kernel,
    request: &'a Request,
    body: &'a Bytes,
    region: &'a str,
}

impl Visit<'_> {
    /// Calls the integration. Where somebody watches the route, a candidate gets the request afterwards.
    async fn paired(
        &self,
        matched: &Matched<'_>,
        integration: &Integration,
        around: &Surroundings<'_>,
    ) -> Response {
        let kernel = self.kernel;
        let ctx = kernel.service_context("apigateway.amazonaws.com", around.account, self.region);
        if let Some(side) = &self.request.side {
            return self.call(ctx.on_side(side), matched, integration, around).await;
        }
        let subject =
            Subject::Route { api: around.api, stage: around.stage, route: matched.route_key };
        let Some(pair) = kernel.shadow().and_then(|shadow| shadow.pair(&ctx, &subject)) else {
            return self.call(ctx, matched, integration, around).await;
        };
        let clock = &kernel.env().clock;
        let begun = clock.monotonic();
        let response = self.call(ctx.on_side(pair.side()), matched, integration, around).await;
        let took = clock.monotonic().saturating_sub(begun);
        let (response, answered) = kept(response).await;
        if let Some(answered) = answered {
            pair.answered(Given::Http(Box::new(self.given(around))), answered, took);
        }
        response
    }

    /// The request, complete enough to be made again.
    fn given(&self, around: &Surroundings<'_>) -> HttpGiven {
        let request = self.request;
        HttpGiven {
            method: request.method.clone(),
            host: request.host.clone(),
            path: around.path.to_owned(),
            query: request.query.clone(),
            headers: request.headers.clone(),
            body: self.body.clone(),
            source_ip: request.source_ip.clone(),
        }
    }

    async fn call(
        &self,
        ctx: Context,
        matched: &Matched<'_>,
        integration: &Integration,
        around: &Surroundings<'_>,
    ) -> Response {
        let event = event::build(self.request, self.body, matched, around, &integration.payload);
        let stand_in = self.request.stand_in.as_deref();
        call(self.kernel, ctx, event, integration, around, stand_in).await
    }
}

/// The response, and a copy of it if it is not a stream.
async fn kept(mut response: Response) -> (Response, Option<Answered>) {
    let Ok(body) = response.body.collect(BODY_BYTES_MAX).await else {
        return (message(500, "Internal Server Error"), None);
    };
    response.body = Body::from_bytes(body.clone());
    let answered =
        Answered::Http { status: response.status, headers: response.headers.clone(), body };
    (response, Some(answered))
}

async fn call(
    kernel: &Kernel,
    ctx: Context,
    event: Value,
    integration: &Integration,
    around: &Surroundings<'_>,
    stand_in: Option<&str>,
) -> Response {
    let Ok(port) = kernel.invoke() else {
        return message(500, "Internal Server Error");
    };
    let invoke = InvokeRequest {
        function: match stand_in {
            Some(function) => function.to_owned(),
            None => with_variables(&integration.function, around.variables),
        },
        payload: event.to_string().into(),
        kind: InvokeKind::RequestResponse,
        guise: None,
    };
    let call = port.invoke(ctx, invoke);
    let time = Duration::from_millis(integration.timeout_ms);
    match kernel.env().timeout(time, call).await {
        Err(_) => message(503, "Service Unavailable"),
        Ok(Err(error)) if error.code() == "TooManyRequestsException" => {
            message(503, "Service Unavailable")
        }
        Ok(Err(error)) => {
            tracing::warn!(target: "undercast::apigateway", "{}: {error}", integration.function);
            message(500, "Internal Server Error")
        }
        Ok(Ok(answer)) if answer.function_error.is_some() => message(500, "Internal Server Error"),
        Ok(Ok(answer)) => reply::read(&answer.payload, &integration.payload)
            .unwrap_or_else(|| message(500, "Internal Server Error")),
    }
}

/// Puts the values of `${stageVariables.name}` in.
fn with_variables(text: &str, variables: &Map<String, Value>) -> String {
    let mut out = text.to_owned();
    for (name, value) in variables {
        let value = value.as_str().unwrap_or_default();
        out = out.replace(&format!("${{stageVariables.{name}}}"), value);
    }
    out
}
