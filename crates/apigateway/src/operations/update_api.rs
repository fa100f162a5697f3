//! `UpdateApi`: changes an API.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::create_api::quick_integration;
use super::{access, passing, shown_api};
use crate::ApiGateway;
use crate::api::apigatewayv2::operations::UpdateApi;
use crate::api::apigatewayv2::shapes::{UpdateApiInput, UpdateApiOutput};
use crate::engine::checks::{check_integration, check_route};
use crate::engine::parts::{INTEGRATION, ROUTE, key, list, merge, put, touch, without};
use crate::error::bad;
use crate::store::{APIS, PartRow};
use serde_json::json;
use undercast_smithy::{Document, to_document};
use undercast_store::Tx;

impl Handler<UpdateApi> for ApiGateway {
    fn authorize(&self, ctx: &Context, input: &UpdateApiInput) -> Vec<Access> {
        let accesses = access(ctx, "PATCH", &format!("/apis/{}", input.api_id));
        passing(accesses, input.credentials_arn.as_ref())
    }

    async fn handle(
        &self,
        ctx: Context,
        input: UpdateApiInput,
    ) -> Result<UpdateApiOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            change_quick(&tx, &ctx, &input).await?;
            let mut row = touch(&tx, &ctx, &input.api_id).await?;
            let own = ["ApiId", "Target", "RouteKey", "CredentialsArn"];
            row.document = merge(&row.document, &without(to_document(&*input), &own));
            APIS.put(&tx, &key(&ctx, &input.api_id), &row)?;
            super::read(shown_api(&ctx, &input.api_id, &row))
        })
        .await
    }
}

/// Changes the route and the integration that quick create made.
async fn change_quick(tx: &Tx, ctx: &Context, input: &UpdateApiInput) -> Result<(), ServiceError> {
    let api = input.api_id.as_str();
    let changes = [&input.target, &input.route_key, &input.credentials_arn];
    if changes.iter().all(|change| change.is_none()) {
        return Ok(());
    }
    let managed = |rows: Vec<PartRow>, id: &str| {
        let is_managed =
            |row: &PartRow| row.document.get("ApiGatewayManaged") == Some(&json!(true));
        let row = rows.into_iter().find(is_managed)?;
        let id = row.document.get(id)?.as_str()?.to_owned();
        Some((id, row.document))
    };
    let none = || {
        bad("Target, RouteKey and CredentialsArn are only valid for APIs created with quick create")
    };
    if let Some(key) = &input.route_key {
        let rows = list(tx, ctx, api, ROUTE).await?;
        let (id, document) = managed(rows, "RouteId").ok_or_else(none)?;
        let document = merge(&document, &json!({"RouteKey": key}));
        check_route(tx, ctx, api, Some(&id), &document).await?;
        put(tx, ctx, api, (ROUTE, &id), document).await?;
    }
    if input.target.is_some() || input.credentials_arn.is_some() {
        let rows = list(tx, ctx, api, INTEGRATION).await?;
        let (id, document) = managed(rows, "IntegrationId").ok_or_else(none)?;
        let old = document.get("IntegrationUri").and_then(Document::as_str).unwrap_or_default();
        let target = input.target.as_deref().unwrap_or(old);
        let new = quick_integration(target, input.credentials_arn.as_ref());
        let document = merge(&document, &new);
        check_integration(tx, ctx, &document).await?;
        put(tx, ctx, api, (INTEGRATION, &id), document).await?;
    }
    Ok(())
}
