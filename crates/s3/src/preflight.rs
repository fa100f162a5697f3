//! What a browser asks before it reads from or writes to a bucket of another origin.
//!
//! Where the path names no bucket of ours, anything may be asked: then it is no question to S3.

use futures::FutureExt;
use futures::future::BoxFuture;
use undercast_kernel::http::{HttpEndpoint, Request, Response};
use undercast_kernel::{Kernel, ServiceError};
use undercast_smithy::document::from_document;

use crate::api::s3::shapes::{CORSConfiguration, CORSRule};
use crate::engine::bucket::{CORS, check_name, document};
use crate::store::BUCKETS;

pub(crate) struct Preflight;

impl HttpEndpoint for Preflight {
    fn matches(&self, request: &Request) -> bool {
        request.method == "OPTIONS" && bucket(request).is_some()
    }

    /// Any path may begin with the name of a bucket.
    fn yields(&self) -> bool {
        true
    }

    fn serve(&self, kernel: Kernel, request: Request) -> BoxFuture<'static, Response> {
        async move {
            let asked = Asked::new(&request);
            let rules = match rules(&kernel, &request).await {
                Ok(rules) => rules,
                Err(_) => return Response::new(503),
            };
            let resource = match request.path.trim_matches('/').contains('/') {
                true => "OBJECT",
                false => "BUCKET",
            };
            match (asked, rules) {
                (Some(asked), None) => asked.anything(),
                (None, None) => Response::new(204),
                (None, Some(_)) => error(
                    400,
                    "BadRequest",
                    "Insufficient information. Origin request header needed.",
                    None,
                ),
                (Some(asked), Some(rules)) => asked.answer(&rules, resource),
            }
        }
        .boxed()
    }
}

/// The bucket that the host or the path names, if it can be one.
pub(crate) fn bucket(request: &Request) -> Option<&str> {
    let host = request.host_name();
    if host.contains(".execute-api.") || host.contains(".lambda-url.") || host.contains(".auth.") {
        return None;
    }
    let in_host = host.split_once(".s3.").or_else(|| host.split_once(".s3-"));
    let in_path = || request.path.trim_start_matches('/').split('/').next();
    let name = in_host.map(|(name, _)| name).or_else(in_path)?;
    check_name(name).is_ok().then_some(name)
}

/// The rules of the bucket, none if it has no configuration; `None` if there is no such bucket.
async fn rules(kernel: &Kernel, request: &Request) -> Result<Option<Vec<CORSRule>>, ServiceError> {
    let Some(name) = bucket(request) else {
        return Ok(None);
    };
    let tx = kernel.db().begin().await?;
    let Some(row) = BUCKETS.get(&tx, &(name.to_owned(),)).await? else {
        return Ok(None);
    };
    let Some(found) = document(&tx, &row, CORS).await? else {
        return Ok(Some(Vec::new()));
    };
    let found: CORSConfiguration = from_document(&found).map_err(ServiceError::internal)?;
    Ok(Some(found.cors_rules))
}

struct Asked<'a> {
    origin: &'a str,
    method: Option<&'a str>,
    headers: Vec<&'a str>,
    asked_headers: Option<&'a str>,
}

impl<'a> Asked<'a> {
    fn new(request: &'a Request) -> Option<Self> {
        let asked_headers = request.header("access-control-request-headers");
        let headers = asked_headers.unwrap_or_default().split(',').map(str::trim);
        Some(Self {
            origin: request.header("origin")?,
            method: request.header("access-control-request-method"),
            headers: headers.filter(|h| !h.is_empty()).collect(),
            asked_headers,
        })
    }

    fn anything(&self) -> Response {
        Response::new(204)
            .header("access-control-allow-origin", self.origin)
            .header("access-control-allow-methods", "GET, HEAD, POST, PUT, PATCH, DELETE")
            .header("access-control-allow-headers", self.asked_headers.unwrap_or("*"))
            .header("access-control-max-age", "600")
            .header("vary", "origin")
    }

    fn answer(&self, rules: &[CORSRule], resource: &str) -> Response {
        let method = self.method.unwrap_or("OPTIONS");
        if rules.is_empty() {
            let message = "CORSResponse: CORS is not enabled for this bucket.";
            return error(403, "AccessForbidden", message, Some((method, "BUCKET")));
        }
        let Some((rule, origin)) = rules.iter().find_map(|rule| self.fits(rule, method)) else {
            let message = "CORSResponse: This CORS request is not allowed. This is usually because the evalution of Origin, request method / Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted by the resource's CORS spec.";
            return error(403, "AccessForbidden", message, Some((method, resource)));
        };
        let any = origin == "*";
        let mut response = Response::new(200)
            .header("access-control-allow-origin", if any { "*" } else { self.origin })
            .header("access-control-allow-methods", rule.allowed_methods.join(", "))
            .header(
                "vary",
                "Origin, Access-Control-Request-Headers, Access-Control-Request-Method",
            );
        if !self.headers.is_empty() {
            let headers = self.headers.join(", ").to_ascii_lowercase();
            response = response.header("access-control-allow-headers", headers);
        }
        if !any {
            response = response.header("access-control-allow-credentials", "true");
        }
        if let Some(expose) = rule.expose_headers.as_ref().filter(|e| !e.is_empty()) {
            response = response.header("access-control-expose-headers", expose.join(", "));
        }
        if let Some(seconds) = rule.max_age_seconds {
            response = response.header("access-control-max-age", seconds.to_string());
        }
        response
    }

    fn fits<'r>(&self, rule: &'r CORSRule, method: &str) -> Option<(&'r CORSRule, &'r str)> {
        let origin = rule.allowed_origins.iter().find(|o| wildcard(o, self.origin))?;
        let allowed: Vec<String> = rule
            .allowed_headers
            .iter()
            .flatten()
            .map(|header| header.to_ascii_lowercase())
            .collect();
        let headers = self.headers.iter().map(|header| header.to_ascii_lowercase());
        let fits = rule.allowed_methods.iter().any(|m| m == method)
            && headers
                .into_iter()
                .all(|header| allowed.iter().any(|pattern| wildcard(pattern, &header)));
        fits.then_some((rule, origin.as_str()))
    }
}

/// At most one `*`.
fn wildcard(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((head, tail)) => {
            text.len() >= head.len() + tail.len() && text.starts_with(head) && text.ends_with(tail)
        }
    }
}

fn error(status: u16, code: &str, message: &str, of: Option<(&str, &str)>) -> Response {
    let mut body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{message}</Message>"
    );
    if let Some((method, resource)) = of {
        let method: String = method.chars().filter(char::is_ascii_alphabetic).collect();
        body.push_str(&format!("<Method>{method}</Method><ResourceType>{resource}</ResourceType>"));
    }
    body.push_str("</Error>");
    Response::new(status).header("content-type", "application/xml").body(body)
}
