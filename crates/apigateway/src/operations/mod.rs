//! One file for each operation; what several of them share is here.

mod create_api;
mod create_deployment;
mod create_integration;
mod create_route;
mod create_stage;
mod delete_api;
mod delete_cors_configuration;
mod delete_deployment;
mod delete_integration;
mod delete_route;
mod delete_stage;
mod get_api;
mod get_apis;
mod get_deployment;
mod get_deployments;
mod get_integration;
mod get_integrations;
mod get_route;
mod get_routes;
mod get_stage;
mod get_stages;
mod get_tags;
mod import_api;
mod reimport_api;
mod tag_resource;
mod untag_resource;
mod update_api;
mod update_integration;
mod update_route;
mod update_stage;

use serde_json::{Map, Value, json};
use undercast_kernel::{Access, Arn, Context, ServiceError};
use undercast_smithy::{Document, Shape, from_document};
use undercast_store::Tx;

use crate::engine::parts::{
    DEPLOYMENT, INTEGRATION, ROUTE, STAGE, get, key, list, merge, put, require_api, touch,
};
use crate::error::{bad, conflict};
use crate::store::{APIS, ApiRow, PartRow};

/// API Gateway's actions are HTTP methods, its resources paths.
fn access(ctx: &Context, verb: &str, path: &str) -> Vec<Access> {
    let resource = Arn::new("apigateway", ctx.region(), "", path).to_string();
    vec![Access::new(format!("apigateway:{verb}"), resource)]
}

/// A kept document as an output.
fn read<T: Shape>(document: Document) -> Result<T, ServiceError> {
    from_document(&document).map_err(ServiceError::internal)
}

/// One page of documents; tokens are offsets.
fn read_page<T: Shape>(
    items: Vec<Document>,
    token: Option<&str>,
    size: Option<&str>,
) -> Result<T, ServiceError> {
    let number = |text: Option<&str>, default: usize| match text {
        None => Ok(default),
        Some(text) => text.parse::<usize>().map_err(|_| bad(format!("Invalid value {text}"))),
    };
    let (start, size) = (number(token, 0)?, number(size, 500)?);
    let more = items.len() > start + size;
    let items: Vec<Document> = items.into_iter().skip(start).take(size).collect();
    read(json!({"Items": items, "NextToken": more.then(|| (start + size).to_string())}))
}

/// Where clients reach the API: a host of its own if the name resolves, else a path.
pub(crate) fn endpoint(ctx: &Context, api: &str) -> String {
    let url = ctx.public_url();
    let (scheme, host) = url.split_once("://").unwrap_or(("http", url));
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let wildcard = name == "localhost"
        || name.ends_with(".localhost")
        || name.ends_with("localhost.localstack.cloud");
    if wildcard {
        format!("{scheme}://{api}.execute-api.{host}")
    } else {
        format!("{url}/_aws/execute-api/{api}")
    }
}

fn seconds(ms: i64) -> Value {
    json!(ms / 1000)
}

fn shown_api(ctx: &Context, id: &str, row: &ApiRow) -> Document {
    let more = json!({"ApiEndpoint": endpoint(ctx, id), "CreatedDate": seconds(row.created_ms)});
    merge(&row.document, &more)
}

fn shown_part(row: PartRow) -> Document {
    let more =
        json!({"CreatedDate": seconds(row.created_ms), "LastUpdatedDate": seconds(row.updated_ms)});
    merge(&row.document, &more)
}

fn shown_deployment(row: PartRow) -> Document {
    let more = json!({"CreatedDate": seconds(row.created_ms), "DeploymentStatus": "DEPLOYED"});
    merge(&row.document, &more)
}

/// A route's key is unique in its API and well formed; what it asks for has to be there.
pub(crate) async fn check_route(
    tx: &Tx,
    ctx: &Context,
    api: &str,
    own: Option<&String>,
    document: &Document,
) -> Result<(), ServiceError> {
    let text = |name: &str| document.get(name).and_then(Value::as_str);
    let key = text("RouteKey").unwrap_or_default();
    let valid = key == "$default"
        || key.split_once(' ').is_some_and(|(method, path)| {
            let method = ["ANY", "GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]
                .contains(&method);
            method && path.starts_with('/')
        });
    if !valid {
        return Err(bad(
            "The provided route key is not formatted properly for HTTP protocol. Format should be \"<HTTP METHOD> /<RESOURCE PATH>\" or \"$default\"",
        ));
    }
    if let Some(kind) = text("AuthorizationType").filter(|kind| *kind != "NONE") {
        return Err(ServiceError::unsupported(format!("authorization {kind} of a route")));
    }
    for row in list(tx, ctx, api, ROUTE).await? {
        let other = |name: &str| row.document.get(name).and_then(Value::as_str);
        if other("RouteKey") == Some(key) && other("RouteId") != own.map(String::as_str) {
            return Err(conflict(format!("Route with key {key} already exists for this API")));
        }
    }
    if let Some(target) = text("Target") {
        let id = target.strip_prefix("integrations/").unwrap_or(target);
        get(tx, ctx, api, INTEGRATION, id).await?;
    }
    Ok(())
}

pub(crate) fn check_integration(document: &Document) -> Result<(), ServiceError> {
    let text = |name: &str| document.get(name).and_then(Value::as_str);
    let kind = text("IntegrationType").unwrap_or_default();
    if kind != "AWS_PROXY" {
        return Err(ServiceError::unsupported(format!("an integration of type {kind}")));
    }
    if let Some(subtype) = text("IntegrationSubtype") {
        return Err(ServiceError::unsupported(format!("the integration {subtype}")));
    }
    for name in ["RequestParameters", "ResponseParameters"] {
        let given = document.get(name).and_then(Value::as_object).is_some_and(|m| !m.is_empty());
        if given {
            return Err(ServiceError::unsupported(format!("{name} of an integration")));
        }
    }
    if !text("IntegrationUri").is_some_and(|uri| uri.contains(":lambda:")) {
        return Err(bad("Invalid Integration URI specified"));
    }
    if !matches!(text("PayloadFormatVersion"), Some("1.0" | "2.0")) {
        return Err(bad(
            "PayloadFormatVersion is a required parameter for integration type AWS_PROXY",
        ));
    }
    let timeout = document.get("TimeoutInMillis").and_then(Value::as_i64).unwrap_or(30_000);
    if !(50..=30_000).contains(&timeout) {
        return Err(bad("Timeout should be between 50 ms and 30000 ms"));
    }
    Ok(())
}

async fn check_stage(
    tx: &Tx,
    ctx: &Context,
    api: &str,
    document: &Document,
) -> Result<(), ServiceError> {
    let name = document.get("StageName").and_then(Value::as_str).unwrap_or_default();
    let valid = name == "$default"
        || (!name.is_empty()
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
    if !valid {
        return Err(bad("Stage name only allows a-zA-Z0-9_- and $default"));
    }
    if let Some(id) = document.get("DeploymentId").and_then(Value::as_str) {
        get(tx, ctx, api, DEPLOYMENT, id).await?;
    }
    Ok(())
}

/// `/apis/{api}` or `/apis/{api}/stages/{stage}` in an ARN.
fn tagged(arn: &str) -> Result<(String, Option<String>), ServiceError> {
    let path = arn
        .split_once("/apis/")
        .map(|(_, path)| path)
        .ok_or_else(|| bad("Invalid ARN specified in the request"))?;
    match path.split_once("/stages/") {
        Some((api, stage)) => Ok((api.to_owned(), Some(stage.to_owned()))),
        None => Ok((path.to_owned(), None)),
    }
}

async fn tags_of(tx: &Tx, ctx: &Context, arn: &str) -> Result<Map<String, Value>, ServiceError> {
    let (api, stage) = tagged(arn)?;
    let document = match stage {
        Some(stage) => get(tx, ctx, &api, STAGE, &stage).await?.document,
        None => require_api(tx, ctx, &api).await?.document,
    };
    Ok(document.get("Tags").and_then(Value::as_object).cloned().unwrap_or_default())
}

async fn set_tags(
    tx: &Tx,
    ctx: &Context,
    arn: &str,
    tags: Map<String, Value>,
) -> Result<(), ServiceError> {
    let (api, stage) = tagged(arn)?;
    let tags = json!({"Tags": tags});
    if let Some(stage) = stage {
        let old = get(tx, ctx, &api, STAGE, &stage).await?;
        put(tx, ctx, &api, (STAGE, &stage), merge(&old.document, &tags)).await?;
        return Ok(());
    }
    let mut row = touch(tx, ctx, &api).await?;
    row.document = merge(&row.document, &tags);
    APIS.put(tx, &key(ctx, &api), &row)?;
    Ok(())
}
