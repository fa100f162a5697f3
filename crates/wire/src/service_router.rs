//! Which service and which operation a request is for.
//!
//! In this order: the prefix of `X-Amz-Target`, the service in a signature's scope, the host, the
//! `Action` of a form or query string, a path with a date in front; everything else is S3's.

use std::borrow::Cow;
use std::collections::HashMap;

use http::HeaderMap;
use undercast_kernel::ServiceError;
use undercast_smithy::{Protocol, ServiceSchema};

use crate::codec::query::Pairs;
use crate::error::{Family, unknown_operation};
use crate::protocol::{Target, rpc_v2};
use crate::uri_router::{BadLabel, Known, Labels, Request, UriRouter};

#[derive(Debug)]
pub struct ServiceRouter {
    entries: Vec<Entry>,
    by_target: HashMap<&'static str, usize>,
    by_signing: HashMap<&'static str, Vec<usize>>,
    /// By endpoint prefix, longest first: `streams.dynamodb` before `dynamodb`.
    by_host: Vec<(&'static str, usize)>,
    by_action: HashMap<&'static str, Vec<usize>>,
    s3: Option<usize>,
    /// The host of the configured public URL, under which buckets may be hosts, too.
    public_host: String,
}

#[derive(Debug)]
struct Entry {
    schema: &'static ServiceSchema,
    by_name: HashMap<&'static str, Known>,
    uris: Option<UriRouter>,
    /// `AwsJson1_0` or `AwsJson1_1`.
    json: Option<Protocol>,
    query: bool,
}

/// The parts of a request that it is routed by.
pub struct View<'r, 'p> {
    pub method: &'r str,
    /// Without a port.
    pub host: &'r str,
    pub path: &'p str,
    pub query: &'r Pairs<'r>,
    pub headers: &'r HeaderMap,
    /// The parameters of a form body.
    pub form: Option<&'r Pairs<'r>>,
    /// The service in the signature's scope.
    pub scope: Option<&'r str>,
}

/// Where a call goes.
#[derive(Debug)]
pub struct Routed<'p> {
    pub target: Target,
    pub labels: Labels<'p>,
}

/// A call that goes nowhere: what is known of its target, and why.
#[derive(Debug)]
pub struct Astray {
    pub target: Target,
    pub error: ServiceError,
}

impl ServiceRouter {
    pub fn new(services: impl Iterator<Item = &'static ServiceSchema>, public_url: &str) -> Self {
        let mut router = Self {
            entries: services.map(Entry::new).collect(),
            by_target: HashMap::new(),
            by_signing: HashMap::new(),
            by_host: Vec::new(),
            by_action: HashMap::new(),
            s3: None,
            public_host: public_host(public_url),
        };
        for (index, entry) in router.entries.iter().enumerate() {
            let schema = entry.schema;
            if let Some(prefix) = schema.target_prefix {
                router.by_target.insert(prefix, index);
            }
            router.by_signing.entry(schema.signing_name).or_default().push(index);
            router.by_host.push((schema.endpoint_prefix, index));
            if entry.query {
                for name in entry.by_name.keys() {
                    router.by_action.entry(name).or_default().push(index);
                }
            }
            if schema.id == "s3" {
                router.s3 = Some(index);
            }
        }
        router.by_host.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
        router
    }

    /// Whether a target header names one of our services: such a call is never for a front door.
    pub fn knows_target(&self, target: &str) -> bool {
        target.split_once('.').is_some_and(|(prefix, _)| self.by_target.contains_key(prefix))
    }

    /// The bucket that the host names, if it does.
    pub fn bucket_host<'a>(&self, host: &'a str) -> Option<&'a str> {
        self.s3?;
        if let Some(at) = host.find(".s3.").or_else(|| host.find(".s3-")) {
            return host.get(..at).filter(|bucket| !bucket.is_empty());
        }
        let own = |suffix: &str| {
            let bucket = host.strip_suffix(suffix)?.strip_suffix('.')?;
            (!bucket.is_empty()).then_some(bucket)
        };
        let bucket = own("localhost.localstack.cloud")
            .or_else(|| own("localhost"))
            .or_else(|| own(&self.public_host).filter(|_| !self.public_host.is_empty()))?;
        // `sqs.us-east-1.localhost` is a service, `s3.localhost` is S3 itself.
        let service = bucket == "s3" || self.endpoint(host).is_some();
        (!service).then_some(bucket)
    }

    /// The service whose endpoint the host is: its first labels are the endpoint's prefix.
    fn endpoint(&self, host: &str) -> Option<usize> {
        let begins = |host: &str, prefix: &str| {
            host.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('.'))
        };
        let named = |host: &str| {
            self.by_host.iter().find(|(prefix, _)| begins(host, prefix)).map(|(_, index)| *index)
        };
        // Operations with a host prefix put something in front: `sync-states.…`.
        named(host).or_else(|| named(host.split_once('-')?.1))
    }

    pub fn route<'p>(&self, view: &View<'_, 'p>) -> Result<Routed<'p>, Box<Astray>> {
        if let Some(target) = view.headers.get("x-amz-target").and_then(|t| t.to_str().ok()) {
            return self.route_target(view.headers, target);
        }
        if view.headers.contains_key(rpc_v2::HEADER)
            && let Some((service, name)) = rpc_v2::target(view.path)
        {
            return self.route_rpc(service, name);
        }
        let action = view.action();
        let Some(entry) = self.service(view, action.as_deref()) else {
            return Err(self.nothing(view, action));
        };
        if entry.query && (action.is_some() || entry.uris.is_none()) {
            return entry.by_action(Protocol::AwsQuery, action.as_deref().unwrap_or_default());
        }
        entry.by_uri(view)
    }

    fn route_target<'p>(
        &self,
        headers: &HeaderMap,
        target: &str,
    ) -> Result<Routed<'p>, Box<Astray>> {
        let (prefix, name) = target.rsplit_once('.').unwrap_or(("", target));
        let entry = self.by_target.get(prefix).and_then(|index| self.entries.get(*index));
        let asked = match headers.get("content-type").map(|c| c.as_bytes()) {
            Some(c) if c.starts_with(b"application/x-amz-json-1.0") => Some(Protocol::AwsJson1_0),
            Some(c) if c.starts_with(b"application/x-amz-json-1.1") => Some(Protocol::AwsJson1_1),
            _ => None,
        };
        let Some(entry) = entry else {
            let protocol = asked.unwrap_or(Protocol::AwsJson1_1);
            let error = match prefix {
                "" => unknown_operation(Family::Json, None, name),
                // A service of AWS that is not ours.
                _ => ServiceError::not_implemented(prefix, name),
            };
            let target = Target { protocol, service: None, operation: None };
            return Err(Box::new(Astray { target, error }));
        };
        let protocol = asked.or(entry.json).unwrap_or(Protocol::AwsJson1_1);
        entry.by_action(protocol, name)
    }

    fn route_rpc<'p>(&self, service: &str, name: &str) -> Result<Routed<'p>, Box<Astray>> {
        let protocol = Protocol::RpcV2Cbor;
        let entry = self.by_target.get(service).and_then(|index| self.entries.get(*index));
        let Some(entry) = entry.filter(|e| e.schema.protocols.contains(&protocol)) else {
            let target = Target { protocol, service: None, operation: None };
            let error = ServiceError::not_implemented(service, name);
            return Err(Box::new(Astray { target, error }));
        };
        entry.by_action(protocol, name)
    }

    fn service(&self, view: &View<'_, '_>, action: Option<&str>) -> Option<&Entry> {
        if view.scope.is_some_and(|scope| !self.by_signing.contains_key(scope)) {
            return None;
        }
        // What names an action is never S3's.
        let s3 = self.s3.filter(|_| action.is_none() || view.form.is_none());
        let index = self
            .by_scope(view, action)
            .or_else(|| self.endpoint(view.host))
            .or_else(|| self.bucket_host(view.host).and(s3))
            .or_else(|| self.by_parameters(view, action))
            .or_else(|| self.by_date(view))
            .or(s3)?;
        self.entries.get(index)
    }

    fn by_scope(&self, view: &View<'_, '_>, action: Option<&str>) -> Option<usize> {
        let candidates = self.by_signing.get(view.scope?)?;
        let fits = |index: &&usize| {
            let Some(entry) = self.entries.get(**index) else {
                return false;
            };
            match (action, &entry.uris) {
                (Some(action), _) if entry.query => entry.by_name.contains_key(action),
                (_, Some(uris)) => matches!(uris.find(&view.request()), Ok(Some(_))),
                _ => false,
            }
        };
        match candidates.as_slice() {
            [only] => Some(*only),
            many => many.iter().find(fits).or(many.first()).copied(),
        }
    }

    /// By the action and the API version of a query call.
    fn by_parameters(&self, view: &View<'_, '_>, action: Option<&str>) -> Option<usize> {
        let candidates = self.by_action.get(action?)?;
        let version = view.parameter("Version");
        let versioned = candidates.iter().find(|index| {
            let entry = self.entries.get(**index);
            entry.is_some_and(|entry| version.as_deref() == Some(entry.schema.api_version))
        });
        versioned.or(candidates.first()).copied()
    }

    /// Unsigned calls to an API whose paths begin with its date: `/2015-03-31/functions/…`.
    fn by_date(&self, view: &View<'_, '_>) -> Option<usize> {
        let first = view.path.strip_prefix('/')?.split('/').next()?;
        let dated = first.len() == 10 && first.starts_with("20") && first.split('-').count() == 3;
        let mut entries = self.entries.iter().enumerate().filter(|_| dated);
        let (index, _) = entries.find(|(index, entry)| {
            let router = entry.uris.as_ref().filter(|_| Some(*index) != self.s3);
            router.is_some_and(|uris| matches!(uris.find(&view.request()), Ok(Some(_))))
        })?;
        Some(index)
    }

    /// No service at all: the error is in the protocol that the client seems to speak.
    fn nothing(&self, view: &View<'_, '_>, action: Option<Cow<'_, str>>) -> Box<Astray> {
        let protocol = match (&action, view.form) {
            (None, None) => Protocol::RestJson1,
            _ => Protocol::AwsQuery,
        };
        let name = action.as_deref().unwrap_or_default();
        let error = match view.scope {
            Some(scope) => {
                let what = if name.is_empty() { view.path } else { name };
                ServiceError::not_implemented(scope, what)
            }
            None => unknown_operation(Family::from(protocol), None, name),
        };
        Box::new(Astray { target: Target { protocol, service: None, operation: None }, error })
    }
}

impl<'r, 'p> View<'r, 'p> {
    fn parameter(&self, name: &str) -> Option<Cow<'r, str>> {
        let find =
            |pairs: &'r Pairs<'r>| pairs.iter().find(|(k, _)| k == name).map(|(_, v)| v.clone());
        self.form.and_then(find).or_else(|| find(self.query))
    }

    fn action(&self) -> Option<Cow<'r, str>> {
        self.parameter("Action")
    }

    fn request(&self) -> Request<'r, 'p> {
        Request { method: self.method, path: self.path, query: self.query, headers: self.headers }
    }
}

impl Entry {
    fn new(schema: &'static ServiceSchema) -> Self {
        let mut by_name = HashMap::new();
        for route in schema.unimplemented {
            by_name.insert(route.name, Known::Unimplemented(route.name));
        }
        for operation in schema.operations {
            by_name.insert(operation.name, Known::Operation(operation));
        }
        let json = |p: &&Protocol| matches!(p, Protocol::AwsJson1_0 | Protocol::AwsJson1_1);
        let rest = |p: &Protocol| matches!(p, Protocol::RestJson1 | Protocol::RestXml);
        Self {
            schema,
            by_name,
            uris: schema.protocols.iter().any(rest).then(|| UriRouter::new(schema)),
            json: schema.protocols.iter().find(json).copied(),
            query: schema.query_compatible || schema.protocols.contains(&Protocol::AwsQuery),
        }
    }

    fn target(&self, protocol: Protocol) -> Target {
        Target { protocol, service: Some(self.schema), operation: None }
    }

    fn astray(&self, protocol: Protocol, error: ServiceError) -> Box<Astray> {
        Box::new(Astray { target: self.target(protocol), error })
    }

    fn by_action<'p>(&self, protocol: Protocol, name: &str) -> Result<Routed<'p>, Box<Astray>> {
        match self.by_name.get(name) {
            Some(known) => self.known(protocol, *known, Labels::new()),
            None => {
                let error = unknown_operation(Family::from(protocol), Some(self.schema), name);
                Err(self.astray(protocol, error))
            }
        }
    }

    fn by_uri<'p>(&self, view: &View<'_, 'p>) -> Result<Routed<'p>, Box<Astray>> {
        let rest = self
            .schema
            .protocols
            .iter()
            .find(|p| matches!(p, Protocol::RestJson1 | Protocol::RestXml));
        let protocol =
            rest.or(self.schema.protocols.first()).copied().unwrap_or(Protocol::RestJson1);
        let request = view.request();
        let found = self.uris.as_ref().map_or(Ok(None), |uris| uris.find(&request));
        match found {
            Ok(Some((known, labels))) => self.known(protocol, known, labels),
            Ok(None) => {
                let family = Family::from(protocol);
                let mut error = unknown_operation(family, Some(self.schema), "");
                if family == Family::RestXml {
                    error = error
                        .with_field("Method", view.method)
                        .with_field("ResourceType", "SERVICE");
                }
                Err(self.astray(protocol, error))
            }
            Err(BadLabel) => {
                let message = "Couldn't parse the specified URI.";
                Err(self.astray(protocol, ServiceError::new("InvalidURI", message)))
            }
        }
    }

    fn known<'p>(
        &self,
        protocol: Protocol,
        known: Known,
        labels: Labels<'p>,
    ) -> Result<Routed<'p>, Box<Astray>> {
        match known {
            Known::Operation(operation) => {
                let target = Target { operation: Some(operation), ..self.target(protocol) };
                Ok(Routed { target, labels })
            }
            Known::Unimplemented(name) => {
                Err(self.astray(protocol, ServiceError::not_implemented(self.schema.id, name)))
            }
        }
    }
}

/// The host of a URL, unless it is an address, under which there are no names.
fn public_host(url: &str) -> String {
    let host = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = host.split(['/', ':']).next().unwrap_or_default();
    if host.parse::<std::net::IpAddr>().is_ok() { String::new() } else { host.to_owned() }
}

/// The region that a host names: `sqs.eu-west-1.amazonaws.com`.
pub fn host_region(host: &str) -> Option<&str> {
    host.split('.').find(|label| {
        let mut parts = label.split('-');
        let area =
            parts.next().is_some_and(|p| p.len() == 2 && p.bytes().all(|b| b.is_ascii_lowercase()));
        let last = label
            .rsplit('-')
            .next()
            .is_some_and(|p| p.len() == 1 && p.bytes().all(|b| b.is_ascii_digit()));
        area && last && label.split('-').count() >= 3
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_tells_its_region() {
        assert_eq!(host_region("sqs.eu-west-1.amazonaws.com"), Some("eu-west-1"));
        assert_eq!(host_region("b.s3.us-gov-east-1.amazonaws.com"), Some("us-gov-east-1"));
        assert_eq!(host_region("localhost"), None);
    }
}
