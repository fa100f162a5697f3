//! Requests and answers of the front doors, in our own types: no service knows an HTTP library.

use std::collections::BTreeMap;

use futures::future::BoxFuture;
use undercast_smithy::Body;

use crate::{Context, Kernel};

pub const TRACE_HEADER: &str = "x-amzn-trace-id";

/// A request as a front door sees it. Header names are in lower case.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: String,
    /// `http` or `https`.
    pub scheme: &'static str,
    /// The `Host` header, with a port where the client gave one.
    pub host: String,
    /// The path as it came, still percent-encoded.
    pub path: String,
    /// The query string as it came, without `?`.
    pub query: String,
    pub protocol: &'static str,
    pub headers: Vec<(String, String)>,
    pub body: Body,
    pub source_ip: String,
    /// The side of a pair that the request comes from, if it comes from one.
    pub side: Option<std::sync::Arc<crate::Side>>,
    /// Who signed it, for doors that ask.
    pub caller: Signed,
    /// Set where the request is made again for a candidate.
    pub stand_in: Option<Box<StandIn>>,
}

impl Request {
    /// The first header of that name (given in lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// The root of the trace that the request is a part of. Every request that is noted has one.
    pub fn trace(&self) -> Option<&str> {
        crate::trace_root(self.header(TRACE_HEADER)?)
    }

    /// The parameters of the query string in their order, decoded.
    pub fn query_pairs(&self) -> Vec<(String, String)> {
        let pairs = self.query.split('&').filter(|pair| !pair.is_empty());
        let text = |text: &str| decoded(&text.replace('+', " "));
        let pair = |pair: &str| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (text(name), text(value))
        };
        pairs.map(pair).collect()
    }

    /// The host without its port.
    pub fn host_name(&self) -> &str {
        match self.host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
            _ => &self.host,
        }
    }
}

/// What is different when a request is made again for a candidate.
#[derive(Debug, Clone, Default)]
pub struct StandIn {
    /// A function that takes the place of the one that the route leads to.
    pub function: Option<String>,
    /// What the door found out about the primary's caller.
    pub authorized: Option<undercast_smithy::Document>,
}

/// Whether a request for a front door is signed as a call to AWS is, and by whom.
#[derive(Clone, Default)]
pub enum Signed {
    /// Not at all, or nobody asked.
    #[default]
    No,
    /// By this caller; in secure mode, the signature is right.
    By(Box<Context>),
    /// Wrongly: why.
    Wrongly(String),
}

impl std::fmt::Debug for Signed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::No => "No",
            Self::By(_) => "By",
            Self::Wrongly(_) => "Wrongly",
        })
    }
}

/// What a percent-encoded text stands for; what is no encoding stays.
pub fn decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// Values of the same name joined by commas, as format 2.0 of the events of front doors has them.
pub fn joined(
    pairs: impl Iterator<Item = (String, String)>,
) -> serde_json::Map<String, serde_json::Value> {
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in pairs {
        all.entry(name).or_default().push(value);
    }
    all.into_iter().map(|(name, values)| (name, values.join(",").into())).collect()
}

#[derive(Debug, Default)]
pub struct Response {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Body,
}

impl Response {
    pub fn new(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    #[must_use]
    pub fn body(mut self, body: impl Into<bytes::Bytes>) -> Self {
        self.body = Body::from_bytes(body);
        self
    }

    /// A JSON answer.
    pub fn json(status: u16, value: &undercast_smithy::Document) -> Self {
        Self::new(status).header("content-type", "application/json").body(value.to_string())
    }
}

/// A front door: an API's own endpoint, a function URL, a hosted page.
pub trait HttpEndpoint: Send + Sync + 'static {
    /// Whether the request is for this door, by its host or path alone; of the headers, only the content
    /// type of a form is there.
    fn matches(&self, request: &Request) -> bool;

    /// Whether it serves requests out of the dark lane, and stays in that lane itself. Doors that do not
    /// are closed there.
    fn has_dark_side(&self) -> bool {
        false
    }

    /// Whether it wants to know who signed a request. The body is taken into memory then, as the
    /// signature covers it.
    fn asks_who_calls(&self) -> bool {
        false
    }

    /// Whether its requests are noted in the journal.
    fn is_noted(&self) -> bool {
        true
    }

    /// Whether other doors are asked first: for one whose addresses do not tell them from all others.
    fn yields(&self) -> bool {
        false
    }

    fn serve(&self, kernel: Kernel, request: Request) -> BoxFuture<'static, Response>;
}
