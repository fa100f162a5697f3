//! The cloud as a candidate sees it: the listeners of its own network, where every call is in the dark
//! lane, and the hosts outside that it cannot reach.

use std::any::Any;
use std::net::{IpAddr, TcpListener};
use std::sync::{Arc, OnceLock};

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::json;
use tokio::sync::watch;
use undercast_kernel::http::{HttpEndpoint, Request, Response};
use undercast_kernel::smithy::Body;
use undercast_kernel::{Kernel, OutsideAction, OwnSockets, Seat, Sockets};
use undercast_sandbox::dns::{SUFFIXES, is_below};
use undercast_wire::Gateway;
use undercast_wire::serve::{Wrap, serve_with};

use crate::relay::{Relay, unreachable, url};

pub(crate) struct DarkSockets {
    gateway: OnceLock<Gateway>,
    tls: Wrap,
    /// The endpoint itself speaks TLS.
    is_secure: bool,
    /// Candidates have networks of their own.
    has_networks: bool,
    relay: Relay,
}

impl DarkSockets {
    pub(crate) fn new(tls: Wrap, is_secure: bool, has_networks: bool, relay: Relay) -> Self {
        Self { gateway: OnceLock::new(), tls, is_secure, has_networks, relay }
    }

    /// From now on there is something to serve.
    pub(crate) fn open(&self, gateway: &Gateway) {
        let _ = self.gateway.set(gateway.clone());
    }
}

impl Sockets for DarkSockets {
    fn leaks(&self) -> Vec<String> {
        if self.has_networks {
            return Vec::new();
        }
        let own = "calls that a candidate signs with other credentials than its own, or does not sign, reach live data";
        let outside = "calls to hosts outside leave this machine";
        vec![own.to_owned(), outside.to_owned()]
    }

    fn relay(&self, hosts: Vec<String>) {
        self.relay.set(hosts);
    }

    fn serve(&self, seat: Arc<Seat>, sockets: OwnSockets) -> Box<dyn Any + Send> {
        let (guard, gone) = watch::channel(());
        let Some(gateway) = self.gateway.get() else {
            return Box::new(guard);
        };
        let own_host = host_of(&gateway.kernel().settings().public_url).to_owned();
        let outside = Outside { own_host, relay: self.relay.clone() };
        let outside = Arc::new(outside) as Arc<dyn HttpEndpoint>;
        let gateway = gateway.for_seat(seat, vec![outside]);
        let env = gateway.kernel().env().clone();
        let serve = |listener: TcpListener, is_tls: bool| {
            if listener.set_nonblocking(true).is_err() {
                return;
            }
            let Ok(listener) = tokio::net::TcpListener::from_std(listener) else {
                return;
            };
            let (scheme, wrap) = match is_tls {
                true => ("https", Some(Arc::clone(&self.tls))),
                false => ("http", None),
            };
            let mut gone = gone.clone();
            // Nothing is ever sent: the change is that the guard is gone.
            let until = async move { drop(gone.changed().await) };
            env.spawn("dark", serve_with(listener, gateway.clone(), scheme, wrap, until));
        };
        serve(sockets.tls, true);
        for (place, listener) in sockets.plain.into_iter().enumerate() {
            serve(listener, place == 0 && self.is_secure);
        }
        Box::new(guard)
    }
}

/// Stands for every host that is not ours.
struct Outside {
    own_host: String,
    relay: Relay,
}

impl HttpEndpoint for Outside {
    fn matches(&self, request: &Request) -> bool {
        let host = request.host_name().trim_matches(['[', ']']).to_ascii_lowercase();
        let is_ours = host.is_empty()
            || host == self.own_host
            || host.parse::<IpAddr>().is_ok()
            || is_below(&host, SUFFIXES);
        !is_ours
    }

    fn has_dark_side(&self) -> bool {
        true
    }

    fn serve(&self, kernel: Kernel, request: Request) -> BoxFuture<'static, Response> {
        let host = request.host_name().to_ascii_lowercase();
        let Some(side) = request.side.clone() else {
            return async move { refusal(&host) }.boxed();
        };
        match side.outside(&host) {
            OutsideAction::Refuse => {
                side.note_refused(&host);
                async move { refusal(&host) }.boxed()
            }
            OutsideAction::Answer { status, headers, body } => {
                let answer = Response { status, headers, body: Body::from_bytes(body) };
                async move { answer }.boxed()
            }
            OutsideAction::Repeat => {
                let relay = self.relay.clone();
                async move {
                    let repeated = relay.repeated(&kernel, &request).await;
                    repeated.unwrap_or_else(|| {
                        side.note_refused(&host);
                        refusal(&host)
                    })
                }
                .boxed()
            }
            OutsideAction::Allow => async move {
                let answer = match kernel.fetch() {
                    Ok(port) => port.fetch(url(&request), request).await,
                    Err(error) => Err(error.to_string()),
                };
                answer.unwrap_or_else(|why| unreachable(&why))
            }
            .boxed(),
        }
    }
}

fn refusal(host: &str) -> Response {
    let message = format!("{host} is outside of the cloud: the dark lane does not lead there");
    Response::json(502, &json!({"__type": "OutsideRefused", "message": message}))
}

fn host_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split('/').next().unwrap_or_default();
    authority.rsplit_once(':').map_or(authority, |(host, _)| host)
}
