//! Hosts outside whose answers a dark run wants to repeat: live functions reach them through the cloud, which passes
//! everything on and remembers what they answered, so that a candidate that asks the same hears the same.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::json;
use undercast_kernel::Kernel;
use undercast_kernel::http::{HttpEndpoint, Request, Response};
use undercast_kernel::smithy::Body;
use undercast_sandbox::dns::Names;

const BODY_BYTES_MAX: u64 = 10 << 20;
/// What is longer is passed on and not remembered.
const KEPT_BYTES_MAX: usize = 256 << 10;
const KEPT_MAX: usize = 1024;
/// A candidate runs soon after its primary.
const KEPT_FOR: Duration = Duration::from_secs(600);

/// Shared by the live side, which notes, and the dark side, which asks.
#[derive(Clone, Default)]
pub(crate) struct Relay {
    /// Names that lead here at present.
    pub(crate) names: Names,
    /// All that ever did: who has looked a name up still comes.
    known: Arc<RwLock<Vec<String>>>,
    heard: Arc<Mutex<Heard>>,
}

#[derive(Default)]
struct Heard {
    answers: HashMap<Asked, Kept>,
    order: VecDeque<(Asked, Duration)>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Asked {
    method: String,
    url: String,
    body: Bytes,
}

#[derive(Clone)]
struct Kept {
    at: Duration,
    status: u16,
    headers: Vec<(String, String)>,
    body: Bytes,
}

impl Relay {
    /// From now on these are the hosts whose answers are remembered.
    pub(crate) fn set(&self, hosts: Vec<String>) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let new: Vec<_> = hosts.iter().filter(|host| !known.contains(host)).cloned().collect();
        known.extend(new);
        self.names.set(hosts);
    }

    /// What was answered to the same request lately.
    pub(crate) async fn repeated(&self, kernel: &Kernel, request: &Request) -> Option<Response> {
        let body = request.body.collect(KEPT_BYTES_MAX as u64).await.ok()?;
        let asked = asked(request, body);
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = heard.answers.get(&asked)?;
        let age = kernel.env().clock.monotonic().saturating_sub(kept.at);
        (age <= KEPT_FOR).then(|| kept.response())
    }

    async fn pass(&self, kernel: &Kernel, request: Request) -> Result<Response, String> {
        let body = request.body.collect(BODY_BYTES_MAX).await.map_err(|e| e.to_string())?;
        let asked = asked(&request, body.clone());
        let port = kernel.fetch().map_err(|e| e.to_string())?;
        let request = Request { body: Body::from_bytes(body), ..request };
        let mut response = port.fetch(asked.url.clone(), request).await?;
        let body = response.body.collect(BODY_BYTES_MAX).await.map_err(|e| e.to_string())?;
        response.body = Body::from_bytes(body.clone());
        if asked.body.len() <= KEPT_BYTES_MAX && body.len() <= KEPT_BYTES_MAX {
            let at = kernel.env().clock.monotonic();
            let (status, headers) = (response.status, response.headers.clone());
            let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
            heard.note(asked, Kept { at, status, headers, body });
        }
        Ok(response)
    }
}

impl Kept {
    fn response(&self) -> Response {
        let body = Body::from_bytes(self.body.clone());
        Response { status: self.status, headers: self.headers.clone(), body }
    }
}

impl Heard {
    fn note(&mut self, asked: Asked, kept: Kept) {
        self.order.push_back((asked.clone(), kept.at));
        self.answers.insert(asked, kept);
        while self.order.len() > KEPT_MAX {
            let Some((oldest, at)) = self.order.pop_front() else { return };
            // Unless it was asked again since.
            if self.answers.get(&oldest).is_some_and(|kept| kept.at == at) {
                self.answers.remove(&oldest);
            }
        }
    }
}

/// The address that was asked for.
pub(crate) fn url(request: &Request) -> String {
    let query = if request.query.is_empty() { "" } else { "?" };
    format!("{}://{}{}{query}{}", request.scheme, request.host, request.path, request.query)
}

fn asked(request: &Request, body: Bytes) -> Asked {
    Asked { method: request.method.clone(), url: url(request), body }
}

/// What the outside did not answer.
pub(crate) fn unreachable(why: &str) -> Response {
    Response::json(502, &json!({"__type": "OutsideFailed", "message": why}))
}

impl HttpEndpoint for Relay {
    fn matches(&self, request: &Request) -> bool {
        // Live functions come from this machine; nobody else is passed on.
        if !request.source_ip.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback()) {
            return false;
        }
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.iter().any(|host| host.eq_ignore_ascii_case(request.host_name()))
    }

    fn is_noted(&self) -> bool {
        false
    }

    fn serve(&self, kernel: Kernel, request: Request) -> BoxFuture<'static, Response> {
        let relay = self.clone();
        async move { relay.pass(&kernel, request).await.unwrap_or_else(|why| unreachable(&why)) }
            .boxed()
    }
}
