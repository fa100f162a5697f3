//! The server's own routes: health, and what the command line asks for. LocalStack's public habits
//! (`/_localstack/health`, `/_localstack/state/reset`) are answered here, too.

use std::sync::Arc;

use std::time::Duration;

use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use serde_json::{Value, json};
use undercast_kernel::http::{HttpEndpoint, Request, Response};
use undercast_kernel::{Entry, Kernel, Mode, Principal, ServiceError, What};
use undercast_sandbox::Sandbox;
use undercast_smithy::{Body, Timestamp};

use crate::keeper::Keeper;

const BODY_BYTES_MAX: u64 = 80 << 20;

/// What `GET /_undercast/health` says about this process.
#[derive(Debug, Clone)]
pub(crate) struct About {
    pub(crate) store: String,
    pub(crate) durability: String,
    pub(crate) inner_address: Option<String>,
    pub(crate) notes: Vec<String>,
    /// Whoever shows it may control the cloud in secure mode.
    pub(crate) token: String,
}

pub(crate) struct Control {
    pub(crate) about: About,
    pub(crate) sandbox: Sandbox,
    pub(crate) keeper: Arc<Keeper>,
}

impl HttpEndpoint for Control {
    fn matches(&self, request: &Request) -> bool {
        request.path.starts_with("/_undercast/health")
            || request.path.starts_with("/_undercast/control/")
            || request.path.starts_with("/_localstack/")
    }

    fn is_noted(&self) -> bool {
        false
    }

    fn serve(&self, kernel: Kernel, request: Request) -> BoxFuture<'static, Response> {
        let path = request.path.trim_end_matches('/').to_owned();
        match (request.method.as_str(), path.as_str()) {
            ("GET", "/_undercast/health") => {
                let response = Response::json(200, &self.health(&kernel));
                async move { response }.boxed()
            }
            ("GET" | "HEAD", "/_localstack/health") => {
                let response = Response::json(200, &localstack_health(&kernel));
                async move { response }.boxed()
            }
            ("POST", "/_localstack/state/reset") => {
                self.guarded(kernel, request, "POST", "/_undercast/control/reset")
            }
            (method, path) if path.starts_with("/_undercast/control/") => {
                let (method, path) = (method.to_owned(), path.to_owned());
                self.guarded(kernel, request, &method, &path)
            }
            _ => async { Response::json(404, &json!({"message": "no such route"})) }.boxed(),
        }
    }
}

impl Control {
    fn guarded(
        &self,
        kernel: Kernel,
        request: Request,
        method: &str,
        path: &str,
    ) -> BoxFuture<'static, Response> {
        if let Err(refusal) = self.allow(&kernel, &request) {
            return async move { refusal }.boxed();
        }
        let keeper = Arc::clone(&self.keeper);
        let route = (method.to_owned(), path.trim_start_matches("/_undercast/control/").to_owned());
        async move {
            let result = match (route.0.as_str(), route.1.as_str()) {
                ("POST", "call") => return call(kernel, request).await,
                ("GET", "list") => return list(kernel).await,
                ("GET", "tail") => return tail(&kernel),
                ("GET", "export") => {
                    let exported = keeper.export().await;
                    return exported.map_or_else(
                        |error| failure(&error),
                        |body| Response { body, ..Response::new(200) },
                    );
                }
                ("GET", "trace") => Ok(trace(&kernel, &parameter(&request, "id"))),
                ("POST", "reset") => keeper.reset().await,
                ("POST", "snapshot") => keeper.snapshot(&parameter(&request, "name")).await,
                ("DELETE", "snapshot") => keeper.delete(&parameter(&request, "name")).await,
                ("GET", "snapshots") => keeper.list().await,
                ("POST", "restore") => keeper.restore(&parameter(&request, "name")).await,
                ("POST", "import") => keeper.import(&request.body).await,
                ("GET", "time") => keeper.time(),
                ("POST", "time") => match parameter(&request, "advance_ms").parse() {
                    Ok(ms) => keeper.advance(Duration::from_millis(ms)),
                    Err(_) => Err(ServiceError::new("BadRequest", "advance_ms is no number")),
                },
                _ => return Response::json(404, &json!({"message": "no such route"})),
            };
            result.map_or_else(|error| failure(&error), |answer| Response::json(200, &answer))
        }
        .boxed()
    }

    /// In open mode anybody on this machine but a web page may; in secure mode who has the token.
    fn allow(&self, kernel: &Kernel, request: &Request) -> Result<(), Response> {
        let shown = request.header("authorization").and_then(|h| h.strip_prefix("Bearer "));
        let by_token = shown == Some(self.about.token.as_str());
        let by_page = request.header("origin").is_some();
        if by_token || (kernel.settings().mode == Mode::Open && !by_page) {
            return Ok(());
        }
        Err(Response::json(
            403,
            &json!({"code": "AccessDenied", "message": "this route needs the token in the data folder"}),
        ))
    }

    fn health(&self, kernel: &Kernel) -> Value {
        let isolation = self.sandbox.isolation();
        let meter = kernel.meter();
        let count = |counter: &std::sync::atomic::AtomicU64| {
            counter.load(std::sync::atomic::Ordering::Relaxed)
        };
        json!({
            "status": "ok",
            "version": env!("CARGO_PKG_VERSION"),
            "store": self.about.store,
            "durability": self.about.durability,
            "mode": if kernel.settings().mode == Mode::Secure { "secure" } else { "open" },
            "url": kernel.settings().public_url,
            "region": kernel.settings().region,
            "inside": self.about.inner_address,
            "isolation": isolation.to_string(),
            "instances": self.sandbox.instances().len(),
            "calls": count(&meter.calls),
            "errors": count(&meter.errors),
            "would_be_denied": count(&meter.audited_denials),
            "services": kernel.services().iter().map(|s| s.schema.id).collect::<Vec<_>>(),
            "notes": self.about.notes,
        })
    }
}

fn parameter(request: &Request, name: &str) -> String {
    let found = request.query_pairs().into_iter().find(|(given, _)| given == name);
    found.map(|(_, value)| value).unwrap_or_default()
}

fn told(entry: &Entry) -> Value {
    let mut told = json!({
        "at": Timestamp::from_millis(entry.at_ms).iso8601_millis(),
        "at_ms": entry.at_ms,
        "took_us": entry.took_us,
        "request": entry.request_id,
        "trace": entry.trace,
        "account": entry.account,
        "caller": entry.caller,
        "dark": entry.is_dark,
        "error": entry.error,
    });
    let what = match &entry.what {
        What::Call { service, operation } => {
            json!({"kind": "call", "service": service, "operation": operation})
        }
        What::Invocation { function, version, is_cold } => {
            json!({"kind": "invocation", "function": function, "version": version, "cold": is_cold})
        }
        What::Http { method, host, path, status } => {
            json!({"kind": "http", "method": method, "host": host, "path": path, "status": status})
        }
    };
    if let (Value::Object(told), Value::Object(what)) = (&mut told, what) {
        told.extend(what);
    }
    told
}

/// All that belongs to a request or trace and is still remembered.
fn trace(kernel: &Kernel, id: &str) -> Value {
    kernel.journal().of(id).iter().map(|entry| told(entry)).collect()
}

/// One line of JSON for everything that happens, until the client has enough.
fn tail(kernel: &Kernel) -> Response {
    let lines = kernel.journal().listen();
    let lines = lines.map(|entry| Ok(format!("{}\n", told(&entry)).into()));
    let body = Body::from_stream(lines.boxed(), None);
    Response { body, ..Response::new(200).header("content-type", "application/x-ndjson") }
}

/// The form that clients of LocalStack wait for.
fn localstack_health(kernel: &Kernel) -> Value {
    let services: serde_json::Map<String, Value> = kernel
        .services()
        .iter()
        .map(|service| (service.schema.id.to_owned(), "running".into()))
        .collect();
    json!({
        "services": services,
        "edition": "undercast",
        "version": env!("CARGO_PKG_VERSION"),
    })
}

fn failure(error: &ServiceError) -> Response {
    let status = error.status().unwrap_or(400);
    Response::json(status, &json!({"code": error.code(), "message": error.message()}))
}

/// Calls any operation by name: what the command line is made of.
async fn call(kernel: Kernel, request: Request) -> Response {
    let bad =
        |message: &str| Response::json(400, &json!({"code": "BadRequest", "message": message}));
    let Ok(body) = request.body.collect(BODY_BYTES_MAX).await else {
        return bad("too large");
    };
    let Ok(body) = serde_json::from_slice::<Value>(&body) else {
        return bad("not JSON");
    };
    let part = |name: &str, default: &str| {
        body.get(name).and_then(Value::as_str).unwrap_or(default).to_owned()
    };
    let account = part("account", &kernel.settings().account);
    let region = part("region", &kernel.settings().region);
    let ctx = kernel.context(Principal::Root { account: account.clone() }, account, region);
    let input = body.get("input").cloned().unwrap_or(json!({}));
    let call = kernel.call_for_body(&ctx, &part("service", ""), &part("operation", ""), &input);
    match call.await {
        Ok((mut output, body)) => {
            if let (Ok(bytes), Value::Object(output)) =
                (body.collect(BODY_BYTES_MAX).await, &mut output)
                && !bytes.is_empty()
            {
                output.insert(
                    "_body".to_owned(),
                    String::from_utf8_lossy(&bytes).into_owned().into(),
                );
            }
            Response::json(200, &output)
        }
        Err(error) => failure(&error),
    }
}

/// Every resource of every service.
async fn list(kernel: Kernel) -> Response {
    let mut rows = Vec::new();
    for service in kernel.services() {
        let Some(list) = &service.list else { continue };
        match list(kernel.clone()).await {
            Ok(listed) => rows.extend(listed),
            Err(error) => return failure(&error),
        }
    }
    rows.sort_by(|a, b| {
        (&a.account, &a.region, a.kind, &a.name).cmp(&(&b.account, &b.region, b.kind, &b.name))
    });
    let rows: Vec<Value> = rows
        .into_iter()
        .map(|row| {
            json!({
                "type": row.kind, "account": row.account, "region": row.region,
                "name": row.name, "arn": row.arn, "note": row.note,
            })
        })
        .collect();
    Response::json(200, &Value::Array(rows))
}
