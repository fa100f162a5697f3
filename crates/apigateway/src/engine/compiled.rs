//! What a request meets: the routes of a stage, ready to match.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value};
use undercast_kernel::http::decoded;
use undercast_smithy::Document;

use super::mapping::{Change, request_changes, response_changes};
use super::service::{Subtype, subtype};
use super::throttle::Bucket;
use crate::limits::{ACCOUNT_BURST, ACCOUNT_RATE, TIMEOUT_MS};
use crate::store::Snapshot;

/// The routes of one stage.
#[derive(Debug)]
pub(crate) struct Compiled {
    routes: Vec<Route>,
    integrations: BTreeMap<String, Integration>,
    authorizers: BTreeMap<String, Authorizer>,
}

#[derive(Debug)]
struct Route {
    key: String,
    /// `None` for `ANY` and `$default`.
    method: Option<String>,
    pattern: Pattern,
    integration: Option<String>,
    authorization: Authorization,
    authorizer: Option<String>,
    throttle: Option<Bucket>,
}

/// Who may take a route.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Authorization {
    Open,
    /// Whoever signs the request and is allowed to.
    Iam,
    /// Whoever its authorizer lets through; a token has to have one of the scopes, if there are any.
    Authorizer {
        scopes: Vec<String>,
    },
}

#[derive(Debug)]
pub(crate) struct Authorizer {
    pub(crate) id: String,
    /// `$request.header.Authorization`.
    pub(crate) sources: Vec<String>,
    pub(crate) kind: AuthorizerKind,
}

#[derive(Debug)]
pub(crate) enum AuthorizerKind {
    Jwt {
        issuer: String,
        audiences: Vec<String>,
    },
    Function {
        arn: String,
        /// `1.0` or `2.0`.
        payload: String,
        /// It answers `isAuthorized`, not a policy.
        is_simple: bool,
        ttl_ms: i64,
        credentials: Option<String>,
    },
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

#[derive(Debug)]
pub(crate) struct Integration {
    pub(crate) target: Target,
    pub(crate) timeout_ms: u64,
    /// The role that calls.
    pub(crate) credentials: Option<String>,
    pub(crate) request: Vec<Change>,
    pub(crate) response: BTreeMap<u16, Vec<Change>>,
}

#[derive(Debug)]
pub(crate) enum Target {
    Function {
        /// May mention stage variables.
        arn: String,
        /// `1.0` or `2.0`.
        payload: String,
    },
    Http {
        /// May mention path parameters and stage variables.
        uri: String,
        /// `None`: that of the request.
        method: Option<String>,
    },
    Service {
        subtype: &'static Subtype,
        parameters: Map<String, Value>,
    },
}

/// The route that a request takes.
#[derive(Debug)]
pub(crate) struct Matched<'a> {
    pub(crate) route_key: &'a str,
    /// The path of the route, as `requestContext.resourcePath` has it.
    pub(crate) resource: &'a str,
    pub(crate) parameters: BTreeMap<String, String>,
    pub(crate) integration: Option<&'a Integration>,
    pub(crate) authorization: &'a Authorization,
    pub(crate) authorizer: Option<&'a Authorizer>,
    pub(crate) throttle: Option<&'a Bucket>,
}

impl Compiled {
    /// The routes of a stage; its own document says how many requests they may get.
    pub(crate) fn new(snapshot: &Snapshot, stage: &Document, now: Duration) -> Self {
        let routes = snapshot.routes.iter().filter_map(|document| route(document, stage, now));
        let integrations = snapshot.integrations.iter().filter_map(integration);
        let authorizers = snapshot.authorizers.iter().filter_map(authorizer);
        Self {
            routes: routes.collect(),
            integrations: integrations.collect(),
            authorizers: authorizers.map(|one| (one.id.clone(), one)).collect(),
        }
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
            authorization: &route.authorization,
            authorizer: route.authorizer.as_ref().and_then(|id| self.authorizers.get(id)),
            throttle: route.throttle.as_ref(),
        })
    }
}

fn text<'a>(document: &'a Document, name: &str) -> Option<&'a str> {
    document.get(name)?.as_str()
}

fn owned(document: &Document, name: &str) -> Option<String> {
    text(document, name).map(str::to_owned)
}

fn members(document: &Document, name: &str) -> Map<String, Value> {
    document.get(name).and_then(Value::as_object).cloned().unwrap_or_default()
}

fn texts(document: &Document, name: &str) -> Vec<String> {
    let all = document.get(name).and_then(Value::as_array).into_iter().flatten();
    all.filter_map(|one| one.as_str().map(str::to_owned)).collect()
}

fn route(document: &Document, stage: &Document, now: Duration) -> Option<Route> {
    let key = text(document, "RouteKey")?.to_owned();
    let target = text(document, "Target").and_then(|t| t.strip_prefix("integrations/"));
    let (method, pattern) = match key.split_once(' ') {
        None => (None, Pattern::Default),
        Some((method, path)) => {
            let method = Some(method).filter(|m| *m != "ANY").map(str::to_owned);
            (method, Pattern::Path(path.split('/').skip(1).map(segment).collect()))
        }
    };
    let authorization = match text(document, "AuthorizationType") {
        None | Some("NONE") => Authorization::Open,
        Some("AWS_IAM") => Authorization::Iam,
        // Whatever else it says is an authorizer's; without one nobody gets through.
        Some(_) => Authorization::Authorizer { scopes: texts(document, "AuthorizationScopes") },
    };
    Some(Route {
        throttle: throttle(stage, &key, now),
        key,
        method,
        pattern,
        integration: target.map(str::to_owned),
        authorization,
        authorizer: owned(document, "AuthorizerId"),
    })
}

/// What the stage grants a route: its own settings before those of all routes.
fn throttle(stage: &Document, route_key: &str, now: Duration) -> Option<Bucket> {
    let own = stage.get("RouteSettings").and_then(|all| all.get(route_key));
    let of = [own, stage.get("DefaultRouteSettings")];
    let limit = |name: &str| of.iter().flatten().find_map(|settings| settings.get(name)?.as_f64());
    let (rate, burst) = (limit("ThrottlingRateLimit"), limit("ThrottlingBurstLimit"));
    if rate.is_none() && burst.is_none() {
        return None;
    }
    Some(Bucket::new(rate.unwrap_or(ACCOUNT_RATE), burst.unwrap_or(ACCOUNT_BURST), now))
}

fn authorizer(document: &Document) -> Option<Authorizer> {
    let kind = match document.get("JwtConfiguration") {
        Some(jwt) if text(document, "AuthorizerType") == Some("JWT") => {
            AuthorizerKind::Jwt { issuer: owned(jwt, "Issuer")?, audiences: texts(jwt, "Audience") }
        }
        _ => AuthorizerKind::Function {
            arn: function_arn(text(document, "AuthorizerUri")?),
            payload: owned(document, "AuthorizerPayloadFormatVersion")?,
            is_simple: flag(document, "EnableSimpleResponses"),
            ttl_ms: document
                .get("AuthorizerResultTtlInSeconds")
                .and_then(Value::as_i64)
                .map_or(0, |seconds| seconds.saturating_mul(1_000)),
            credentials: owned(document, "AuthorizerCredentialsArn"),
        },
    };
    Some(Authorizer {
        id: owned(document, "AuthorizerId")?,
        sources: texts(document, "IdentitySource"),
        kind,
    })
}

fn flag(document: &Document, name: &str) -> bool {
    document.get(name).and_then(Value::as_bool).unwrap_or(false)
}

fn segment(text: &str) -> Segment {
    let name = text.strip_prefix('{').and_then(|t| t.strip_suffix('}'));
    match name.map(|name| (name, name.strip_suffix('+'))) {
        None => Segment::Literal(text.to_owned()),
        Some((_, Some(name))) => Segment::Greedy(name.to_owned()),
        Some((name, None)) => Segment::Parameter(name.to_owned()),
    }
}

/// The id and what is needed of an integration. One that could not be made any more is left out.
fn integration(document: &Document) -> Option<(String, Integration)> {
    let id = owned(document, "IntegrationId")?;
    let parameters = members(document, "RequestParameters");
    let subtype = text(document, "IntegrationSubtype").map(subtype);
    let (target, request) = match subtype {
        Some(subtype) => (Target::Service { subtype: subtype?, parameters }, Vec::new()),
        None => {
            let uri = text(document, "IntegrationUri")?;
            let target = match text(document, "IntegrationType")? {
                "HTTP_PROXY" => Target::Http {
                    uri: uri.to_owned(),
                    method: owned(document, "IntegrationMethod").filter(|method| method != "ANY"),
                },
                _ => Target::Function {
                    arn: function_arn(uri),
                    payload: owned(document, "PayloadFormatVersion")
                        .unwrap_or_else(|| "1.0".to_owned()),
                },
            };
            (target, request_changes(&parameters).ok()?)
        }
    };
    let integration = Integration {
        target,
        timeout_ms: document.get("TimeoutInMillis").and_then(Value::as_u64).unwrap_or(TIMEOUT_MS),
        credentials: owned(document, "CredentialsArn"),
        request,
        response: response_changes(&members(document, "ResponseParameters")).ok()?,
    };
    Some((id, integration))
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
            json!({"IntegrationId": "i", "IntegrationType": "AWS_PROXY", "IntegrationUri": "arn:aws:lambda:r:1:function:f", "PayloadFormatVersion": "2.0"}),
        ];
        let stage = json!({
            "DefaultRouteSettings": {"ThrottlingRateLimit": 5.0},
            "RouteSettings": {"$default": {"ThrottlingBurstLimit": 1}},
        });
        let authorizers = Vec::new();
        Compiled::new(&Snapshot { routes, integrations, authorizers }, &stage, Duration::ZERO)
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
        let target = &api.find("GET", "/orders/1").unwrap().integration.unwrap().target;
        assert!(matches!(target, Target::Function { payload, .. } if payload == "2.0"));
    }

    #[test]
    fn a_route_s_own_limits_come_before_the_stage_s() {
        let api = compiled(&["GET /a", "$default"]);
        let taken = |path: &str| {
            let bucket = api.find("GET", path).unwrap().throttle.unwrap();
            (0..2).filter(|_| bucket.take(Duration::ZERO)).count()
        };
        assert_eq!((taken("/a"), taken("/else")), (2, 1));
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
