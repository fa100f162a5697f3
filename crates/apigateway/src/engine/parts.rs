//! An API's parts: making, changing, deleting them.

use undercast_kernel::{Context, ServiceError};
use undercast_smithy::Document;
use undercast_store::Tx;

use crate::error::{bad, not_found};
use crate::limits::TIMEOUT_MS;
use crate::store::{APIS, ApiKey, ApiRow, OWNERS, PARTS, PartRow, Snapshot};

pub(crate) const ROUTE: &str = "route";
pub(crate) const INTEGRATION: &str = "integration";
pub(crate) const STAGE: &str = "stage";
pub(crate) const DEPLOYMENT: &str = "deployment";
pub(crate) const AUTHORIZER: &str = "authorizer";

const ID_CHARS: usize = 10;
const PARTS_MAX: usize = 1_000;

pub(crate) fn key(ctx: &Context, api: &str) -> ApiKey {
    (ctx.account().to_owned(), ctx.region().to_owned(), api.to_owned())
}

/// An id as AWS makes them: lower case letters and digits.
pub(crate) fn new_id(tx: &Tx, chars: usize) -> String {
    tx.ids().alphanumeric(chars).to_lowercase()
}

pub(crate) fn api_id(tx: &Tx) -> String {
    new_id(tx, ID_CHARS)
}

pub(crate) async fn require_api(tx: &Tx, ctx: &Context, api: &str) -> Result<ApiRow, ServiceError> {
    APIS.get(tx, &key(ctx, api)).await?.ok_or_else(|| not_found("API", api))
}

/// Marks the API as changed. Every writer of parts calls it, which also makes writers of one API meet.
pub(crate) async fn touch(tx: &Tx, ctx: &Context, api: &str) -> Result<ApiRow, ServiceError> {
    let mut row = require_api(tx, ctx, api).await?;
    row.revision += 1;
    APIS.put(tx, &key(ctx, api), &row)?;
    Ok(row)
}

pub(crate) async fn get(
    tx: &Tx,
    ctx: &Context,
    api: &str,
    kind: &str,
    id: &str,
) -> Result<PartRow, ServiceError> {
    require_api(tx, ctx, api).await?;
    let key = (api.to_owned(), kind.to_owned(), id.to_owned());
    PARTS.get(tx, &key).await?.ok_or_else(|| not_found(title(kind), id))
}

fn title(kind: &str) -> &'static str {
    match kind {
        ROUTE => "Route",
        INTEGRATION => "Integration",
        STAGE => "Stage",
        AUTHORIZER => "Authorizer",
        _ => "Deployment",
    }
}

pub(crate) async fn list(
    tx: &Tx,
    ctx: &Context,
    api: &str,
    kind: &str,
) -> Result<Vec<PartRow>, ServiceError> {
    require_api(tx, ctx, api).await?;
    let prefix = PARTS.prefix(&(api.to_owned(), kind.to_owned()));
    let rows = PARTS.scan(tx, prefix, PARTS_MAX, false).await?;
    Ok(rows.into_iter().map(|(_, row)| row).collect())
}

pub(crate) async fn put(
    tx: &Tx,
    ctx: &Context,
    api: &str,
    (kind, id): (&str, &str),
    document: Document,
) -> Result<PartRow, ServiceError> {
    touch(tx, ctx, api).await?;
    let key = (api.to_owned(), kind.to_owned(), id.to_owned());
    let old = PARTS.get(tx, &key).await?;
    let row = PartRow {
        document,
        created_ms: old.as_ref().map_or(tx.now_ms(), |row| row.created_ms),
        updated_ms: tx.now_ms(),
        snapshot: old.and_then(|row| row.snapshot),
    };
    PARTS.put(tx, &key, &row)?;
    Ok(row)
}

pub(crate) async fn delete(
    tx: &Tx,
    ctx: &Context,
    api: &str,
    kind: &str,
    id: &str,
) -> Result<(), ServiceError> {
    get(tx, ctx, api, kind, id).await?;
    touch(tx, ctx, api).await?;
    PARTS.delete(tx, &(api.to_owned(), kind.to_owned(), id.to_owned()))?;
    Ok(())
}

pub(crate) async fn delete_api(tx: &Tx, ctx: &Context, api: &str) -> Result<(), ServiceError> {
    require_api(tx, ctx, api).await?;
    for (key, _) in PARTS.scan(tx, PARTS.prefix(&(api.to_owned(),)), 10 * PARTS_MAX, false).await? {
        PARTS.delete(tx, &key)?;
    }
    APIS.delete(tx, &key(ctx, api))?;
    OWNERS.delete(tx, &api.to_owned())?;
    Ok(())
}

/// What a stage serves, as it stands.
pub(crate) async fn snapshot(tx: &Tx, ctx: &Context, api: &str) -> Result<Snapshot, ServiceError> {
    let documents = |rows: Vec<PartRow>| rows.into_iter().map(|row| row.document).collect();
    Ok(Snapshot {
        routes: documents(list(tx, ctx, api, ROUTE).await?),
        integrations: documents(list(tx, ctx, api, INTEGRATION).await?),
        authorizers: documents(list(tx, ctx, api, AUTHORIZER).await?),
    })
}

/// What a stage serves: its deployment, or everything as it stands.
pub(crate) async fn served(
    tx: &Tx,
    ctx: &Context,
    api: &str,
    stage: &Document,
) -> Result<Snapshot, ServiceError> {
    if stage.get("AutoDeploy").and_then(Document::as_bool).unwrap_or(false) {
        return snapshot(tx, ctx, api).await;
    }
    let Some(id) = stage.get("DeploymentId").and_then(Document::as_str) else {
        return Ok(Snapshot::default());
    };
    let key = (api.to_owned(), DEPLOYMENT.to_owned(), id.to_owned());
    Ok(PARTS.get(tx, &key).await?.and_then(|row| row.snapshot).unwrap_or_default())
}

/// Keeps the routes and integrations as they stand; a stage that names the deployment serves them.
pub(crate) async fn deploy(
    tx: &Tx,
    ctx: &Context,
    api: &str,
    description: Option<&String>,
) -> Result<(String, PartRow), ServiceError> {
    let snapshot = snapshot(tx, ctx, api).await?;
    if snapshot.routes.is_empty() {
        return Err(bad("At least one route is required before deploying the Api."));
    }
    let id = new_id(tx, 6);
    let document = serde_json::json!({
        "DeploymentId": id, "Description": description, "AutoDeployed": false,
    });
    let row = PartRow {
        document,
        created_ms: tx.now_ms(),
        updated_ms: tx.now_ms(),
        snapshot: Some(snapshot),
    };
    touch(tx, ctx, api).await?;
    PARTS.put(tx, &(api.to_owned(), DEPLOYMENT.to_owned(), id.clone()), &row)?;
    Ok((id, row))
}

/// Lays what the caller gives over what is there. Null leaves what is there.
pub(crate) fn merge(old: &Document, new: &Document) -> Document {
    let mut merged = old.as_object().cloned().unwrap_or_default();
    for (name, value) in new.as_object().into_iter().flatten() {
        if !value.is_null() {
            merged.insert(name.clone(), value.clone());
        }
    }
    Document::Object(merged)
}

/// The same, where some members are maps that are changed key by key: what is given empty goes.
pub(crate) fn merge_maps(old: &Document, new: &Document, maps: &[&str]) -> Document {
    let mut merged = merge(old, new);
    for name in maps {
        let Some(given) = new.get(*name).and_then(Document::as_object) else { continue };
        let mut map = old.get(*name).and_then(Document::as_object).cloned().unwrap_or_default();
        for (key, value) in given {
            let is_empty = value.as_str() == Some("")
                || *name == "ResponseParameters" && value.as_object().is_some_and(|m| m.is_empty());
            match is_empty {
                true => map.shift_remove(key),
                false => map.insert(key.clone(), value.clone()),
            };
        }
        if let Document::Object(merged) = &mut merged {
            merged.insert((*name).to_owned(), Document::Object(map));
        }
    }
    merged
}

/// What an integration is where nothing is said. A function is called with POST; another server's method has
/// to be named.
pub(crate) fn integration_defaults(kind: &str) -> Document {
    let mut defaults = serde_json::json!({
        "ConnectionType": "INTERNET", "PayloadFormatVersion": "1.0", "TimeoutInMillis": TIMEOUT_MS,
    });
    if let (Document::Object(defaults), "AWS_PROXY") = (&mut defaults, kind) {
        defaults.insert("IntegrationMethod".to_owned(), "POST".into());
    }
    defaults
}

/// The document without some members.
pub(crate) fn without(document: Document, names: &[&str]) -> Document {
    match document {
        Document::Object(mut entries) => {
            entries.retain(|name, value| !names.contains(&name.as_str()) && !value.is_null());
            Document::Object(entries)
        }
        other => other,
    }
}
