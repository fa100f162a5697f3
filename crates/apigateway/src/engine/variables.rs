//! What `$request…`, `$context…`, `$stageVariables…` and `$response…` stand for, in mappings and in the
//! lines of access logs.

use bytes::Bytes;
use serde_json::Value;
use undercast_kernel::http::{Request, Response};

use super::compiled::Matched;
use super::event::{PRINCIPAL, Surroundings, log_time};
use super::mapping::{Source, in_body};

/// What is known of a request while it is served, and of its answer.
pub(crate) struct Facts<'a> {
    pub(crate) request: &'a Request,
    pub(crate) body: &'a Bytes,
    pub(crate) matched: Option<&'a Matched<'a>>,
    pub(crate) around: &'a Surroundings<'a>,
    pub(crate) response: Option<(&'a Response, &'a Bytes)>,
    pub(crate) outcome: Option<&'a Outcome>,
}

/// How it went, for access logs.
#[derive(Debug, Clone, Default)]
pub(crate) struct Outcome {
    pub(crate) status: u16,
    pub(crate) response_bytes: u64,
    pub(crate) latency_ms: u64,
    pub(crate) integration: Option<Integrated>,
    /// Why the gateway itself refused.
    pub(crate) error: Option<String>,
    pub(crate) authorizer_error: Option<String>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Integrated {
    /// What the integration answered; of a function, what was in its answer.
    pub(crate) status: u16,
    pub(crate) latency_ms: u64,
    pub(crate) error: Option<String>,
}

fn joined<'a>(values: impl Iterator<Item = &'a str>) -> Option<String> {
    let values: Vec<&str> = values.collect();
    (!values.is_empty()).then(|| values.join(","))
}

fn header(headers: &[(String, String)], name: &str) -> Option<String> {
    let of_name = headers.iter().filter(|(have, _)| have.eq_ignore_ascii_case(name));
    joined(of_name.map(|(_, value)| value.as_str()))
}

fn plain(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

impl Source for Facts<'_> {
    fn get(&self, name: &str) -> Option<String> {
        let (kind, rest) = name.split_once('.').unwrap_or((name, ""));
        match kind {
            "request" => self.of_request(rest),
            "response" => self.of_response(rest),
            "context" => self.of_context(rest),
            "stageVariables" => plain(self.around.variables.get(rest)?),
            _ => None,
        }
    }
}

impl Facts<'_> {
    fn of_request(&self, name: &str) -> Option<String> {
        let (kind, rest) = name.split_once('.').unwrap_or((name, ""));
        match kind {
            "header" => header(&self.request.headers, rest),
            "querystring" => {
                let pairs = self.request.query_pairs();
                let of_name = pairs.iter().filter(|(have, _)| have == rest);
                joined(of_name.map(|(_, value)| value.as_str()))
            }
            "path" if rest.is_empty() => Some(self.around.path.to_owned()),
            "path" => self.matched?.parameters.get(rest).cloned(),
            _ => in_body(self.body, name.strip_prefix("body")?),
        }
    }

    fn of_response(&self, name: &str) -> Option<String> {
        let (response, body) = self.response?;
        match name.split_once('.') {
            Some(("header", name)) => header(&response.headers, name),
            _ => in_body(body, name.strip_prefix("body")?),
        }
    }

    fn of_context(&self, name: &str) -> Option<String> {
        let around = self.around;
        let text = |text: &str| Some(text.to_owned());
        if let Some(rest) = name.strip_prefix("identity.") {
            return self.of_identity(rest);
        }
        if let Some(rest) = name.strip_prefix("authorizer.") {
            return self.of_authorizer(rest);
        }
        match name {
            "accountId" => text(around.account),
            "apiId" => text(around.api),
            "stage" => text(around.stage),
            "requestId" | "extendedRequestId" => text(around.request_id),
            "domainName" => text(around.domain),
            "domainPrefix" => text(around.domain.split('.').next()?),
            "httpMethod" => text(&self.request.method),
            "path" => text(around.raw_path),
            "protocol" => text(self.request.protocol),
            "requestTime" => Some(log_time(around.now_ms)),
            "requestTimeEpoch" => Some(around.now_ms.to_string()),
            "routeKey" => text(self.matched?.route_key),
            _ => self.of_outcome(name),
        }
    }

    fn of_identity(&self, name: &str) -> Option<String> {
        let iam = |name: &str| plain(self.around.authorized?.get("iam")?.get(name)?);
        match name {
            "sourceIp" => Some(self.request.source_ip.clone()),
            "userAgent" => self.request.header("user-agent").map(str::to_owned),
            "caller" => iam("callerId"),
            "user" => iam("userId"),
            "accountId" => iam("accountId"),
            "accessKey" => iam("accessKey"),
            "userArn" => iam("userArn"),
            _ => None,
        }
    }

    fn of_authorizer(&self, name: &str) -> Option<String> {
        if name == "error" {
            return self.outcome?.authorizer_error.clone();
        }
        let authorized = self.around.authorized?;
        match name.strip_prefix("claims.") {
            Some(claim) => plain(authorized.get("jwt")?.get("claims")?.get(claim)?),
            None if name == PRINCIPAL => plain(authorized.get(PRINCIPAL)?),
            None => plain(authorized.get("lambda")?.get(name)?),
        }
    }

    fn of_outcome(&self, name: &str) -> Option<String> {
        let outcome = self.outcome?;
        let integrated = outcome.integration.as_ref();
        match name {
            "status" => Some(outcome.status.to_string()),
            "responseLength" => Some(outcome.response_bytes.to_string()),
            "responseLatency" => Some(outcome.latency_ms.to_string()),
            "dataProcessed" => Some((outcome.response_bytes + self.body.len() as u64).to_string()),
            "error.message" => outcome.error.clone(),
            "error.messageString" => {
                outcome.error.as_ref().map(|text| Value::from(text.as_str()).to_string())
            }
            "integrationStatus" | "integration.integrationStatus" | "integration.status" => {
                Some(integrated?.status.to_string())
            }
            "integrationLatency" | "integration.latency" => {
                Some(integrated?.latency_ms.to_string())
            }
            "integrationErrorMessage" | "integration.error" => integrated?.error.clone(),
            _ => None,
        }
    }
}

/// A line of the access log; what is not there is a dash.
pub(crate) fn log_line(format: &str, facts: &Facts<'_>) -> String {
    let mut out = String::with_capacity(format.len() * 2);
    let mut rest = format;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        let end = after.find(|c: char| !(c.is_ascii_alphanumeric() || "._-:".contains(c)));
        let (name, after) = after.split_at(end.unwrap_or(after.len()));
        // A sentence may end behind a variable.
        let known = name.trim_end_matches(['.', '-', ':']);
        if known.starts_with("context.") {
            out.push_str(facts.get(known).as_deref().unwrap_or("-"));
            out.push_str(name.get(known.len()..).unwrap_or_default());
        } else {
            out.push('$');
            out.push_str(name);
        }
        rest = after;
    }
    out.push_str(rest);
    out
}
