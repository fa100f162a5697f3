//! What a request meets: the routes of a stage, ready to match.

use std::collections::BTreeMap;

use undercast_kernel::http::decoded;
use undercast_smithy::Document;

use crate::store::Snapshot;

/// The routes of one stage.
#[derive(Debug)]
pub(crate) struct Compiled {
    routes: Vec<Route>,
    integrations: BTreeMap<String, Integration>,
}

#[derive(Debug)]
struct Route {
    key: String,
    /// `None` for `ANY` and `$default`.
    method: Option<String>,
    pattern: Pattern,
    integration: Option<String>,
}

#[derive(Debug)]
enum Pattern {
    Default,
    Path(Vec<Segment>),
}

#[derive(Debug, PartialEq, Eq)]
enum Segment {
    Literal(String),
    Parameter(String),
    Greedy(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Integration {
    /// The function's ARN; may mention stage variables.
    pub(crate) function: String,
    /// `1.0` or `2.0`.
    pub(crate) payload: String,
    pub(crate) timeout_ms: u64,
}

/// The route that a request takes.
#[derive(Debug)]
pub(crate) struct Matched<'a> {
    pub(crate) route_key: &'a str,
    /// The path of the route, as `requestContext.resourcePath` has it.
    pub(crate) resource: &'a str,
    pub(crate) parameters: BTreeMap<String, String>,
    pub(crate) integration: Option<&'a Integration>,
}

const TIMEOUT_MS: u64 = 30_000;

impl Compiled {
    pub(crate) fn new(snapshot: &Snapshot) -> Self {
        let routes = snapshot.routes.iter().filter_map(route).collect();
        let integrations = snapshot.integrations.iter().filter_map(integration).collect();
        Self { routes, integrations }
    }

    /// The most specific route: literals before parameters before greedy ones before `$default`, a
    /// named method before `ANY`.
    pub(crate) fn find(&self, method: &str, path: &str) -> Option<Matched<'_>> {
        let segments: Vec<&str> = path.split('/').skip(1).collect();
        let candidates =
            self.routes.iter().filter(|r| r.method.as_deref().is_none_or(|m| m == method));
        let ranked = candidates.filter_map(|route| {
            let (rank, parameters) = route.pattern.matches(&segments)?;
            Some(((rank, route.method.is_none()), route, parameters))
        });
        let (_, route, parameters) = ranked.min_by(|a, b| a.0.cmp(&b.0))?;
        Some(Matched {
            route_key: &route.key,
            resource: route.key.split_once(' ').map_or("/", |(_, path)| path),
            parameters,
            integration: route.integration.as_ref().and_then(|id| self.integrations.get(id)),
        })
    }
}

fn text<'a>(document: &'a Document, name: &str) -> Option<&'a str> {
    document.get(name)?.as_str()
}

fn route(document: &Document) -> Option<Route> {
    let key = text(document, "RouteKey")?.to_owned();
    let target = text(document, "Target").and_then(|t| t.strip_prefix("integrations/"));
    let (method, pattern) = match key.split_once(' ') {
        None => (None, Pattern::Default),
        Some((method, path)) => {
            let method = Some(method).filter(|m| *m != "ANY").map(str::to_owned);
            (method, Pattern::Path(path.split('/').skip(1).map(segment).collect()))
        }
    };
    Some(Route { key, method, pattern, integration: target.map(str::to_owned) })
}

fn segment(text: &str) -> Segment {
    let name = text.strip_prefix('{').and_then(|t| t.strip_suffix('}'));
    match name.map(|name| (name, name.strip_suffix('+'))) {
        None => Segment::Literal(text.to_owned()),
        Some((_, Some(name))) => Segment::Greedy(name.to_owned()),
        Some((name, None)) => Segment::Parameter(name.to_owned()),
    }
}

/// The id and what is needed of an integration.
fn integration(document: &Document) -> Option<(String, Integration)> {
    let id = text(document, "IntegrationId")?.to_owned();
    let uri = text(document, "IntegrationUri")?;
    let timeout_ms =
        document.get("TimeoutInMillis").and_then(Document::as_u64).unwrap_or(TIMEOUT_MS);
    let payload = text(document, "PayloadFormatVersion").unwrap_or("1.0").to_owned();
    Some((id, Integration { function: function_arn(uri), payload, timeout_ms }))
}

/// The function in `arn:aws:apigateway:…:path/2015-03-31/functions/{arn}/invocations`, or the ARN itself.
pub(crate) fn function_arn(uri: &str) -> String {
    match uri.split_once("/functions/") {
        Some((_, rest)) => rest.trim_end_matches("/invocations").to_owned(),
        None => uri.to_owned(),
    }
}

impl Pattern {
    /// How specific the match is (less is more), and the parameters in it.
    fn matches(&self, path: &[&str]) -> Option<(Vec<u8>, BTreeMap<String, String>)> {
        let Self::Path(pattern) = self else {
            return Some((vec![9], BTreeMap::new()));
        };
        let mut parameters = BTreeMap::new();
        let mut rank = Vec::with_capacity(pattern.len());
        let mut rest = path.iter();
        for segment in pattern {
            match segment {
                Segment::Literal(literal) => {
                    if rest.next()? != literal {
                        return None;
                    }
                    rank.push(0);
                }
                Segment::Parameter(name) => {
                    let value = rest.next().filter(|v| !v.is_empty())?;
                    parameters.insert(name.clone(), decoded(value));
                    rank.push(1);
                }
                Segment::Greedy(name) => {
                    let tail: Vec<&str> = rest.by_ref().copied().collect();
                    if tail.iter().all(|t| t.is_empty()) {
                        return None;
                    }
                    parameters.insert(name.clone(), decoded(&tail.join("/")));
                    rank.push(2);
                }
            }
        }
        // A trailing slash is no segment of its own.
        let left: Vec<_> = rest.filter(|t| !t.is_empty()).collect();
        left.is_empty().then_some((rank, parameters))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn compiled(keys: &[&str]) -> Compiled {
        let routes =
            keys.iter().map(|key| json!({"RouteKey": key, "Target": "integrations/i"})).collect();
        let integrations = vec![
            json!({"IntegrationId": "i", "IntegrationUri": "arn:aws:lambda:r:1:function:f", "PayloadFormatVersion": "2.0"}),
        ];
        Compiled::new(&Snapshot { routes, integrations })
    }

    #[test]
    fn the_most_specific_route_wins() {
        let api = compiled(&[
            "GET /orders",
            "GET /orders/{id}",
            "ANY /orders/{proxy+}",
            "POST /orders/new",
            "ANY /orders/{id}",
            "$default",
        ]);
        let key = |method: &str, path: &str| api.find(method, path).map(|m| m.route_key.to_owned());
        assert_eq!(key("GET", "/orders").unwrap(), "GET /orders");
        assert_eq!(key("GET", "/orders/1").unwrap(), "GET /orders/{id}");
        assert_eq!(key("POST", "/orders/new").unwrap(), "POST /orders/new");
        assert_eq!(key("DELETE", "/orders/1").unwrap(), "ANY /orders/{id}");
        assert_eq!(key("GET", "/orders/1/items").unwrap(), "ANY /orders/{proxy+}");
        assert_eq!(key("GET", "/else").unwrap(), "$default");
        assert_eq!(api.find("GET", "/orders/a%20b").unwrap().parameters["id"], "a b");
        assert_eq!(api.find("PUT", "/orders/a/b").unwrap().parameters["proxy"], "a/b");
        assert!(compiled(&["GET /a"]).find("GET", "/b").is_none());
        assert_eq!(api.find("GET", "/orders/1").unwrap().integration.unwrap().payload, "2.0");
    }

    #[test]
    fn functions_are_found_in_both_forms() {
        let arn = "arn:aws:lambda:eu-west-1:1:function:f:live";
        assert_eq!(function_arn(arn), arn);
        assert_eq!(
            function_arn(&format!(
                "arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/{arn}/invocations"
            )),
            arn
        );
    }
}
