//! Buckets as websites: `{bucket}.s3-website-{region}.…` and `{bucket}.s3-website.{region}.…`, or by path
//! (`/_aws/s3-website/{bucket}/…`, which needs no name resolution).
//!
//! In secure mode a page is shown where the bucket's policy lets everybody read it; in open mode always.

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::{Map, Value, json};
use undercast_kernel::http::{HttpEndpoint, Request, Response, decoded};
use undercast_kernel::{Context, Kernel, Mode, Principal, ServiceError};
use undercast_smithy::Body;

use crate::api::s3::shapes::{Redirect, RoutingRule, WebsiteConfiguration};
use crate::engine::bucket::{POLICY, WEBSITE, arn, check_name, config, document};
use crate::engine::policy;
use crate::error::{access_denied, no_bucket, no_website};
use crate::store::BUCKETS;
use crate::tasks::S3_SERVICE;

pub(crate) struct Website;

const PATH: &str = "/_aws/s3-website/";

/// Where a request goes.
struct Address {
    bucket: String,
    /// Stands before every key in addresses of this site.
    base: String,
    /// Decoded, without a slash before it.
    key: String,
}

fn address(request: &Request) -> Option<Address> {
    let (bucket, base, path) = match request.path.strip_prefix(PATH) {
        Some(rest) => {
            let (bucket, path) = rest.split_once('/').unwrap_or((rest, ""));
            (bucket, format!("{PATH}{bucket}/"), path)
        }
        None => {
            let host = request.host_name();
            let at = host.find(".s3-website-").or_else(|| host.find(".s3-website."))?;
            let path = request.path.strip_prefix('/').unwrap_or(&request.path);
            (host.get(..at)?, "/".to_owned(), path)
        }
    };
    check_name(bucket).ok()?;
    Some(Address { bucket: bucket.to_owned(), base, key: decoded(path) })
}

impl HttpEndpoint for Website {
    fn matches(&self, request: &Request) -> bool {
        address(request).is_some()
    }

    fn serve(&self, kernel: Kernel, request: Request) -> BoxFuture<'static, Response> {
        async move {
            let Some(address) = address(&request) else {
                return Response::new(404);
            };
            let request_id = kernel.env().ids.uuid();
            let served = serve(&kernel, &request, &address).await;
            let response = served.unwrap_or_else(|error| page(&error, &request_id));
            let mut response = response.header("x-amz-request-id", request_id);
            if request.method == "HEAD" {
                response.body = Body::default();
            }
            response
        }
        .boxed()
    }
}

/// One site, as it is now.
struct Site<'a> {
    ctx: Context,
    request: &'a Request,
    address: &'a Address,
    website: WebsiteConfiguration,
    /// In secure mode: what the bucket's policy says.
    policy: Option<Value>,
}

async fn serve(
    kernel: &Kernel,
    request: &Request,
    address: &Address,
) -> Result<Response, ServiceError> {
    if !matches!(request.method.as_str(), "GET" | "HEAD") {
        let message = "The specified method is not allowed against this resource.";
        return Err(ServiceError::new("MethodNotAllowed", message).with_status(405));
    }
    let tx = kernel.db().begin().await?;
    let row = BUCKETS.get(&tx, &(address.bucket.clone(),)).await?;
    let row = row.ok_or_else(|| no_bucket(&address.bucket))?;
    let website: Option<WebsiteConfiguration> = config(&tx, &row, WEBSITE).await?;
    let website = website.ok_or_else(|| no_website(&address.bucket))?;
    let policy = match kernel.settings().mode {
        Mode::Open => None,
        Mode::Secure => Some(document(&tx, &row, POLICY).await?.unwrap_or_default()),
    };
    drop(tx);
    let ctx = kernel.service_context(S3_SERVICE, &row.account, &row.region);
    Site { ctx, request, address, website, policy }.answer().await
}

impl Site<'_> {
    async fn answer(&self) -> Result<Response, ServiceError> {
        if let Some(to) = &self.website.redirect_all_requests_to {
            let protocol = to.protocol.as_deref().unwrap_or(self.request.scheme);
            let (path, query) = (&self.request.path, &self.request.query);
            let mark = if query.is_empty() { "" } else { "?" };
            let location = format!("{protocol}://{}{path}{mark}{query}", to.host_name);
            return Ok(moved(301, location));
        }
        let key = &self.address.key;
        if let Some(rule) = self.rule(key, None) {
            return Ok(self.redirect(&rule.redirect, rule));
        }
        let index = self.website.index_document.as_ref().map_or("", |index| &index.suffix);
        let wanted = match key.is_empty() || key.ends_with('/') {
            true => format!("{key}{index}"),
            false => key.clone(),
        };
        let error = match self.object(&wanted, true).await {
            Ok((head, body)) => return Ok(found(&head, body)),
            Err(error) => error,
        };
        let status = error.status().unwrap_or(400);
        if status < 400 {
            return Ok(Response::new(status));
        }
        if status == 404
            && wanted == *key
            && self.object(&format!("{key}/{index}"), false).await.is_ok()
        {
            return Ok(moved(302, format!("{}{key}/", self.address.base)));
        }
        if let Some(rule) = self.rule(key, Some(&status.to_string())) {
            return Ok(self.redirect(&rule.redirect, rule));
        }
        let Some(document) = &self.website.error_document else {
            return Err(error);
        };
        match self.object(&document.key, false).await {
            Ok((head, body)) => Ok(Response { status, ..found(&head, body) }),
            Err(_) => Err(error),
        }
    }

    /// The object, as everybody may see it.
    async fn object(&self, key: &str, conditional: bool) -> Result<(Value, Body), ServiceError> {
        if let Some(policy) = &self.policy {
            let resource = format!("{}/{key}", arn(&self.address.bucket));
            if !policy::allows(policy, &Principal::Anonymous, "s3:GetObject", &resource) {
                return Err(access_denied());
            }
        }
        let mut input = json!({"Bucket": self.address.bucket, "Key": key});
        if let (true, Value::Object(input)) = (conditional, &mut input) {
            for (header, member) in
                [("if-none-match", "IfNoneMatch"), ("if-match", "IfMatch"), ("range", "Range")]
            {
                if let Some(value) = self.request.header(header) {
                    input.insert(member.to_owned(), value.into());
                }
            }
        }
        self.ctx.kernel().call_for_body(&self.ctx, "s3", "GetObject", &input).await
    }

    /// The first rule for this key and, where something went wrong, this status.
    fn rule(&self, key: &str, status: Option<&str>) -> Option<&RoutingRule> {
        self.website.routing_rules.iter().flatten().find(|rule| {
            let condition = rule.condition.as_ref();
            let prefix = condition.and_then(|c| c.key_prefix_equals.as_deref()).unwrap_or_default();
            let code = condition.and_then(|c| c.http_error_code_returned_equals.as_deref());
            key.starts_with(prefix) && code == status
        })
    }

    fn redirect(&self, to: &Redirect, rule: &RoutingRule) -> Response {
        let key = &self.address.key;
        let prefix = rule.condition.as_ref().and_then(|c| c.key_prefix_equals.as_deref());
        let rest = key.strip_prefix(prefix.unwrap_or_default()).unwrap_or(key);
        let key = match (&to.replace_key_with, &to.replace_key_prefix_with) {
            (Some(whole), _) => whole.clone(),
            (_, Some(replaced)) => format!("{replaced}{rest}"),
            _ => key.clone(),
        };
        let protocol = to.protocol.as_deref().unwrap_or(self.request.scheme);
        let location = match &to.host_name {
            Some(host) => format!("{protocol}://{host}/{key}"),
            None => format!("{protocol}://{}{}{key}", self.request.host, self.address.base),
        };
        let code = to.http_redirect_code.as_deref().and_then(|code| code.parse().ok());
        moved(code.unwrap_or(301), location)
    }
}

/// What may stand in a header: a key may hold anything.
fn moved(status: u16, location: String) -> Response {
    let safe: String = location.chars().filter(|c| !c.is_control()).collect();
    Response::new(status).header("location", safe)
}

/// An object as a page: its headers are those that `GetObject` would answer with.
fn found(head: &Value, body: Body) -> Response {
    let text = |name: &str| head.get(name).and_then(Value::as_str);
    if let Some(location) = text("WebsiteRedirectLocation") {
        return moved(301, location.to_owned());
    }
    let range = text("ContentRange");
    let mut response = Response::new(if range.is_some() { 206 } else { 200 });
    for (member, header) in [
        ("ContentType", "content-type"),
        ("ETag", "etag"),
        ("CacheControl", "cache-control"),
        ("ContentDisposition", "content-disposition"),
        ("ContentEncoding", "content-encoding"),
        ("ContentLanguage", "content-language"),
        ("Expires", "expires"),
        ("ContentRange", "content-range"),
        ("VersionId", "x-amz-version-id"),
    ] {
        if let Some(value) = text(member) {
            response = response.header(header, value);
        }
    }
    for (name, value) in head.get("Metadata").and_then(Value::as_object).unwrap_or(&Map::new()) {
        if let Some(value) = value.as_str() {
            response = response.header(format!("x-amz-meta-{name}"), value);
        }
    }
    response.body = body;
    response
}

pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// The page that S3 shows where there is no other.
fn page(error: &ServiceError, request_id: &str) -> Response {
    let status = error.status().unwrap_or(400);
    let title = match status {
        403 => "403 Forbidden".to_owned(),
        404 => "404 Not Found".to_owned(),
        405 => "405 Method Not Allowed".to_owned(),
        412 => "412 Precondition Failed".to_owned(),
        416 => "416 Requested Range Not Satisfiable".to_owned(),
        other => format!("{other} Error"),
    };
    let mut lines =
        vec![("Code", error.code().to_owned()), ("Message", error.message().to_owned())];
    lines.extend(
        error.fields().iter().filter_map(|(name, value)| Some((*name, value.as_str()?.to_owned()))),
    );
    lines.push(("RequestId", request_id.to_owned()));
    let list: String = lines
        .iter()
        .map(|(name, value)| format!("<li>{name}: {}</li>\n", escaped(value)))
        .collect();
    let html = format!(
        "<html>\n<head><title>{title}</title></head>\n<body>\n<h1>{title}</h1>\n<ul>\n{list}</ul>\n<hr/>\n</body>\n</html>\n"
    );
    Response::new(status)
        .header("content-type", "text/html; charset=utf-8")
        .header("x-amz-error-code", error.code())
        .header("x-amz-error-message", error.message())
        .body(html)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_do_not_carry_what_a_key_holds() {
        assert_eq!(escaped("<script>&"), "&lt;script&gt;&amp;");
    }
}
