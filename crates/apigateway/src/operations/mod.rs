//! One file for each operation; what several of them share is here.

mod create_api;
mod create_api_mapping;
mod create_authorizer;
mod create_deployment;
mod create_domain_name;
mod create_integration;
mod create_route;
mod create_stage;
mod create_vpc_link;
mod delete_access_log_settings;
mod delete_api;
mod delete_api_mapping;
mod delete_authorizer;
mod delete_cors_configuration;
mod delete_deployment;
mod delete_domain_name;
mod delete_integration;
mod delete_route;
mod delete_route_request_parameter;
mod delete_route_settings;
mod delete_stage;
mod delete_vpc_link;
mod export_api;
mod get_api;
mod get_api_mapping;
mod get_api_mappings;
mod get_apis;
mod get_authorizer;
mod get_authorizers;
mod get_deployment;
mod get_deployments;
mod get_domain_name;
mod get_domain_names;
mod get_integration;
mod get_integrations;
mod get_route;
mod get_routes;
mod get_stage;
mod get_stages;
mod get_tags;
mod get_vpc_link;
mod get_vpc_links;
mod import_api;
mod reimport_api;
mod reset_authorizers_cache;
mod tag_resource;
mod untag_resource;
mod update_api;
mod update_api_mapping;
mod update_authorizer;
mod update_deployment;
mod update_domain_name;
mod update_integration;
mod update_route;
mod update_stage;
mod update_vpc_link;

use serde_json::{Map, Value, json};
use undercast_kernel::{Access, Arn, Context, ServiceError};
use undercast_smithy::{Document, Shape, from_document};
use undercast_store::Tx;

use crate::engine::domains;
use crate::engine::parts::{STAGE, get, key, merge, put, require_api, touch};
use crate::error::{bad, not_found};
use crate::store::{APIS, ApiRow, DOMAINS, KeptRow, PartRow, VPC_LINKS};

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

/// What an ARN of ours names.
enum Tagged {
    Api(String),
    Stage(String, String),
    Domain(String),
    VpcLink(String),
}

fn tagged(arn: &str) -> Result<Tagged, ServiceError> {
    let path = arn.split_once("::/").map_or(arn, |(_, path)| path);
    match path.split('/').collect::<Vec<_>>().as_slice() {
        ["apis", api] => Ok(Tagged::Api((*api).to_owned())),
        ["apis", api, "stages", stage] => Ok(Tagged::Stage((*api).to_owned(), (*stage).to_owned())),
        ["domainnames", name] => Ok(Tagged::Domain((*name).to_owned())),
        ["vpclinks", id] => Ok(Tagged::VpcLink((*id).to_owned())),
        _ => Err(bad("Invalid ARN specified in the request")),
    }
}

async fn tags_of(tx: &Tx, ctx: &Context, arn: &str) -> Result<Map<String, Value>, ServiceError> {
    let document = match tagged(arn)? {
        Tagged::Stage(api, stage) => get(tx, ctx, &api, STAGE, &stage).await?.document,
        Tagged::Api(api) => require_api(tx, ctx, &api).await?.document,
        Tagged::Domain(name) => domains::require(tx, ctx, &name).await?.document,
        Tagged::VpcLink(id) => require_link(tx, ctx, &id).await?.document,
    };
    Ok(document.get("Tags").and_then(Value::as_object).cloned().unwrap_or_default())
}

async fn set_tags(
    tx: &Tx,
    ctx: &Context,
    arn: &str,
    tags: Map<String, Value>,
) -> Result<(), ServiceError> {
    let tags = json!({"Tags": tags});
    match tagged(arn)? {
        Tagged::Stage(api, stage) => {
            let old = get(tx, ctx, &api, STAGE, &stage).await?;
            put(tx, ctx, &api, (STAGE, &stage), merge(&old.document, &tags)).await?;
        }
        Tagged::Api(api) => {
            let mut row = touch(tx, ctx, &api).await?;
            row.document = merge(&row.document, &tags);
            APIS.put(tx, &key(ctx, &api), &row)?;
        }
        Tagged::Domain(name) => {
            let mut row = domains::require(tx, ctx, &name).await?;
            row.document = merge(&row.document, &tags);
            DOMAINS.put(tx, &domains::key(ctx, &name.to_ascii_lowercase()), &row)?;
        }
        Tagged::VpcLink(id) => {
            let mut row = require_link(tx, ctx, &id).await?;
            row.document = merge(&row.document, &tags);
            VPC_LINKS.put(tx, &key(ctx, &id), &row)?;
        }
    }
    Ok(())
}

async fn require_link(tx: &Tx, ctx: &Context, id: &str) -> Result<KeptRow, ServiceError> {
    VPC_LINKS.get(tx, &key(ctx, id)).await?.ok_or_else(|| not_found("VpcLink", id))
}

fn shown_link(row: &KeptRow) -> Document {
    merge(&row.document, &json!({"CreatedDate": seconds(row.created_ms)}))
}

/// Whoever names a role for the gateway has to be allowed to pass it.
fn passing(mut accesses: Vec<Access>, role: Option<&String>) -> Vec<Access> {
    if let Some(role) = role {
        let service = "apigateway.amazonaws.com";
        accesses.push(Access::new("iam:PassRole", role).when("iam:PassedToService", service));
    }
    accesses
}
