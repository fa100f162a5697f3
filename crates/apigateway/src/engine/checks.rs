//! Whether parts of an API can be what they say they are.

use serde_json::{Map, Value};
use undercast_kernel::{Arn, Context, ServiceError};
use undercast_smithy::Document;
use undercast_store::Tx;

use super::mapping::{request_changes, response_changes};
use super::parts::{AUTHORIZER, DEPLOYMENT, INTEGRATION, ROUTE, get, list};
use super::service;
use crate::door::{Destination, outward};
use crate::error::{bad, conflict, not_found};
use crate::limits::{AUTHORIZERS_MAX, TIMEOUT_MIN_MS, TIMEOUT_MS};
use crate::store::VPC_LINKS;

const METHODS: &[&str] = &["ANY", "GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];
/// Where an authorizer may look for who calls.
const SOURCES: &[&str] =
    &["$request.header.", "$request.querystring.", "$context.", "$stageVariables."];

fn text<'a>(document: &'a Document, name: &str) -> Option<&'a str> {
    document.get(name).and_then(Value::as_str)
}

fn texts<'a>(document: &'a Document, name: &str) -> Vec<&'a str> {
    let all = document.get(name).and_then(Value::as_array).into_iter().flatten();
    all.filter_map(Value::as_str).collect()
}

fn members(document: &Document, name: &str) -> Map<String, Value> {
    document.get(name).and_then(Value::as_object).cloned().unwrap_or_default()
}

/// A route's key is unique in its API and well formed; what it asks for has to be there.
pub(crate) async fn check_route(
    tx: &Tx,
    ctx: &Context,
    api: &str,
    own: Option<&String>,
    document: &Document,
) -> Result<(), ServiceError> {
    let key = text(document, "RouteKey").unwrap_or_default();
    let valid = key == "$default"
        || key
            .split_once(' ')
            .is_some_and(|(method, path)| METHODS.contains(&method) && path.starts_with('/'));
    if !valid {
        return Err(bad(
            "The provided route key is not formatted properly for HTTP protocol. Format should be \"<HTTP METHOD> /<RESOURCE PATH>\" or \"$default\"",
        ));
    }
    check_authorization(tx, ctx, api, document).await?;
    for row in list(tx, ctx, api, ROUTE).await? {
        if text(&row.document, "RouteKey") == Some(key)
            && text(&row.document, "RouteId") != own.map(String::as_str)
        {
            return Err(conflict(format!("Route with key {key} already exists for this API")));
        }
    }
    if let Some(target) = text(document, "Target") {
        let id = target.strip_prefix("integrations/").unwrap_or(target);
        get(tx, ctx, api, INTEGRATION, id).await?;
    }
    Ok(())
}

/// The authorizer has to be one of the kind that the route names.
async fn check_authorization(
    tx: &Tx,
    ctx: &Context,
    api: &str,
    document: &Document,
) -> Result<(), ServiceError> {
    let kind = text(document, "AuthorizationType").unwrap_or("NONE");
    let has_scopes = !texts(document, "AuthorizationScopes").is_empty();
    if has_scopes && kind != "JWT" {
        return Err(bad("AuthorizationScopes are only valid for JWT authorization type"));
    }
    let wanted = match kind {
        "JWT" => "JWT",
        "CUSTOM" => "REQUEST",
        _ => return Ok(()),
    };
    let id = text(document, "AuthorizerId")
        .ok_or_else(|| bad(format!("AuthorizerId is required for authorization type {kind}")))?;
    let authorizer = get(tx, ctx, api, AUTHORIZER, id).await?;
    match text(&authorizer.document, "AuthorizerType") == Some(wanted) {
        true => Ok(()),
        false => Err(bad(format!("Authorizer {id} cannot be used for authorization type {kind}"))),
    }
}

/// A role that the gateway is to take on: it is of the caller's own account.
fn check_role(ctx: &Context, role: Option<&str>) -> Result<(), ServiceError> {
    let Some(role) = role else { return Ok(()) };
    let arn = Arn::parse(role).filter(|arn| arn.service == "iam");
    let Some(arn) = arn else {
        return Err(bad("Invalid ARN specified in the request"));
    };
    match arn.account == ctx.account() || role == "arn:aws:iam::*:user/*" {
        true => Ok(()),
        false => Err(bad("Cross-account pass role is not allowed.")),
    }
}

pub(crate) async fn check_integration(
    tx: &Tx,
    ctx: &Context,
    document: &Document,
) -> Result<(), ServiceError> {
    let kind = text(document, "IntegrationType").unwrap_or_default();
    let uri = text(document, "IntegrationUri");
    let role = text(document, "CredentialsArn");
    check_role(ctx, role)?;
    let parameters = members(document, "RequestParameters");
    match (kind, text(document, "IntegrationSubtype")) {
        ("AWS_PROXY", Some(subtype)) => {
            service::check(ctx.kernel(), subtype, &parameters)?;
            if role.is_none() {
                return Err(bad("CredentialsArn is required for integrations with AWS services"));
            }
            if text(document, "PayloadFormatVersion") != Some("1.0") {
                return Err(bad(
                    "PayloadFormatVersion should be 1.0 for integrations with AWS services",
                ));
            }
        }
        ("AWS_PROXY", None) => {
            if !uri.is_some_and(|uri| uri.contains(":lambda:")) {
                return Err(bad("Invalid Integration URI specified"));
            }
            if !matches!(text(document, "PayloadFormatVersion"), Some("1.0" | "2.0")) {
                return Err(bad(
                    "PayloadFormatVersion is a required parameter for integration type AWS_PROXY",
                ));
            }
            request_changes(&parameters)?;
        }
        ("HTTP_PROXY", None) => {
            check_http(tx, ctx, document, uri).await?;
            request_changes(&parameters)?;
        }
        ("HTTP_PROXY", Some(_)) => {
            return Err(bad("IntegrationSubtype is only valid for integration type AWS_PROXY"));
        }
        ("AWS" | "HTTP" | "MOCK", _) => {
            return Err(bad(format!("Integration type {kind} is not supported for HTTP APIs")));
        }
        _ => return Err(bad(format!("Invalid integration type {kind}"))),
    }
    response_changes(&members(document, "ResponseParameters"))?;
    let timeout = document.get("TimeoutInMillis").and_then(Value::as_u64).unwrap_or(TIMEOUT_MS);
    if !(TIMEOUT_MIN_MS..=TIMEOUT_MS).contains(&timeout) {
        return Err(bad("Timeout should be between 50 ms and 30000 ms"));
    }
    Ok(())
}

async fn check_http(
    tx: &Tx,
    ctx: &Context,
    document: &Document,
    uri: Option<&str>,
) -> Result<(), ServiceError> {
    let method = text(document, "IntegrationMethod").unwrap_or_default();
    if !METHODS.contains(&method) {
        return Err(bad("HttpMethod must be a valid HTTP method"));
    }
    let uri = uri.unwrap_or_default();
    if text(document, "ConnectionType") == Some("VPC_LINK") {
        let id = text(document, "ConnectionId")
            .ok_or_else(|| bad("ConnectionId is required for connection type VPC_LINK"))?;
        let key = (ctx.account().to_owned(), ctx.region().to_owned(), id.to_owned());
        if VPC_LINKS.get(tx, &key).await?.is_none() {
            return Err(bad(format!("VpcLink {id} does not exist")));
        }
        if uri.starts_with("arn:") {
            return Err(ServiceError::unsupported(format!("a private integration with {uri}")));
        }
    }
    // Variables may stand in the host; then it shows when a request comes.
    let has_variable = uri.contains("${stageVariables.");
    match outward::is_url(uri) || has_variable && uri.contains("://") {
        true => Ok(()),
        false => Err(bad("Invalid HTTP endpoint specified for URI")),
    }
}

pub(crate) async fn check_authorizer(
    tx: &Tx,
    ctx: &Context,
    api: &str,
    document: &Document,
) -> Result<(), ServiceError> {
    let own = text(document, "AuthorizerId");
    let others = list(tx, ctx, api, AUTHORIZER).await?;
    let others = others.iter().filter(|row| text(&row.document, "AuthorizerId") != own);
    if others.count() >= AUTHORIZERS_MAX {
        return Err(ServiceError::new(
            "TooManyRequestsException",
            format!("The maximum number of authorizers of an API is {AUTHORIZERS_MAX}"),
        ));
    }
    let sources = texts(document, "IdentitySource");
    let is_known = |source: &&str| {
        SOURCES.iter().any(|begin| source.len() > begin.len() && source.starts_with(begin))
    };
    if let Some(source) = sources.iter().find(|source| !is_known(source)) {
        return Err(bad(format!("Invalid identity source: {source}")));
    }
    match text(document, "AuthorizerType") {
        Some("JWT") => check_jwt(document, &sources),
        Some("REQUEST") => check_request(ctx, document, &sources),
        _ => Err(bad("Invalid authorizer type: HTTP APIs have JWT and REQUEST authorizers")),
    }
}

fn check_jwt(document: &Document, sources: &[&str]) -> Result<(), ServiceError> {
    let jwt = document.get("JwtConfiguration").unwrap_or(&Value::Null);
    let issuer = text(jwt, "Issuer").unwrap_or_default();
    if !outward::is_url(issuer) {
        return Err(bad(format!("Invalid issuer: {issuer}. Issuer must be a valid URL")));
    }
    if texts(jwt, "Audience").is_empty() {
        return Err(bad("JwtConfiguration of a JWT authorizer must have at least one audience"));
    }
    let is_one = matches!(sources, [one] if one.starts_with("$request."));
    match is_one {
        true => Ok(()),
        false => Err(bad("A JWT authorizer has one identity source: a header or a query string")),
    }
}

fn check_request(ctx: &Context, document: &Document, sources: &[&str]) -> Result<(), ServiceError> {
    if !text(document, "AuthorizerUri").is_some_and(|uri| uri.contains(":lambda:")) {
        return Err(bad("Invalid Authorizer URI specified"));
    }
    check_role(ctx, text(document, "AuthorizerCredentialsArn"))?;
    let version = text(document, "AuthorizerPayloadFormatVersion");
    if !matches!(version, Some("1.0" | "2.0")) {
        return Err(bad(
            "AuthorizerPayloadFormatVersion is a required parameter for REQUEST authorizer: 1.0 or 2.0",
        ));
    }
    let is_simple = document.get("EnableSimpleResponses").and_then(Value::as_bool) == Some(true);
    if is_simple && version == Some("1.0") {
        return Err(bad("EnableSimpleResponses is only supported for payload format version 2.0"));
    }
    let ttl = document.get("AuthorizerResultTtlInSeconds").and_then(Value::as_i64).unwrap_or(0);
    if ttl > 0 && sources.is_empty() {
        return Err(bad("Caching of authorizer results needs at least one identity source"));
    }
    Ok(())
}

pub(crate) async fn check_stage(
    tx: &Tx,
    ctx: &Context,
    api: &str,
    document: &Document,
) -> Result<(), ServiceError> {
    let name = text(document, "StageName").unwrap_or_default();
    let valid = name == "$default"
        || (!name.is_empty()
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
    if !valid {
        return Err(bad("Stage name only allows a-zA-Z0-9_- and $default"));
    }
    let id = text(document, "DeploymentId");
    if let Some(id) = id {
        get(tx, ctx, api, DEPLOYMENT, id).await?;
    }
    if let Some(log) = document.get("AccessLogSettings") {
        check_log(ctx, log)?;
    }
    let own = members(document, "RouteSettings");
    if own.is_empty() {
        return Ok(());
    }
    let routes = list(tx, ctx, api, ROUTE).await?;
    let is_there = |key: &&String| {
        routes.iter().any(|row| text(&row.document, "RouteKey") == Some(key.as_str()))
    };
    // A stage that serves a deployment may have settings for routes that are gone since.
    match own.keys().find(|key| !is_there(key)).filter(|_| id.is_none()) {
        Some(key) => Err(not_found("Route", key)),
        None => Ok(()),
    }
}

fn check_log(ctx: &Context, log: &Document) -> Result<(), ServiceError> {
    let arn = text(log, "DestinationArn").unwrap_or_default();
    let parsed = Arn::parse(arn);
    if parsed.as_ref().is_some_and(|arn| arn.service == "firehose") {
        return Err(ServiceError::unsupported("an access log to Firehose"));
    }
    let is_group = Destination::parse(arn, "", "").is_some();
    let is_own =
        parsed.is_some_and(|arn| arn.account == ctx.account() && arn.region == ctx.region());
    if !is_group || !is_own {
        return Err(bad(format!(
            "Access log destination must only contain characters a-z, A-Z, 0-9, '_', '-', '/', '.': '{arn}' is no log group of this account and region"
        )));
    }
    match text(log, "Format").is_some_and(|format| !format.is_empty() && !format.contains('\n')) {
        true => Ok(()),
        false => Err(bad("Access log format must be a single line and cannot be empty")),
    }
}
