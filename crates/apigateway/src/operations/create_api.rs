//! `CreateApi`: makes an HTTP API; with a target also a route, an integration and a stage (quick create).

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{access, shown_api};
use crate::ApiGateway;
use crate::api::apigatewayv2::operations::CreateApi;
use crate::api::apigatewayv2::shapes::{CreateApiInput, CreateApiOutput};
use crate::engine::parts::{INTEGRATION, ROUTE, STAGE, api_id, key, merge, new_id, put, without};
use crate::store::{APIS, ApiRow, OWNERS, OwnerRow};
use undercast_smithy::{Document, to_document};
use undercast_store::Tx;

impl Handler<CreateApi> for ApiGateway {
    fn authorize(&self, ctx: &Context, _: &CreateApiInput) -> Vec<Access> {
        access(ctx, "POST", "/apis")
    }

    async fn handle(
        &self,
        ctx: Context,
        input: CreateApiInput,
    ) -> Result<CreateApiOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            if input.protocol_type != "HTTP" {
                return Err(ServiceError::unsupported(format!(
                    "an API of protocol {}",
                    input.protocol_type
                )));
            }
            let document = without(to_document(&*input), &["Target", "RouteKey", "CredentialsArn"]);
            let (id, row) = insert(&tx, &ctx, &document)?;
            if let Some(target) = &input.target {
                quick(&tx, &ctx, &id, target, input.route_key.as_deref().unwrap_or("$default"))
                    .await?;
            }
            super::read(shown_api(&ctx, &id, &row))
        })
        .await
    }
}

/// Makes the API without its parts.
pub(super) fn insert(
    tx: &Tx,
    ctx: &Context,
    document: &Document,
) -> Result<(String, ApiRow), ServiceError> {
    let id = api_id(tx);
    let defaults = serde_json::json!({
        "ApiId": id,
        "RouteSelectionExpression": "$request.method $request.path",
        "ApiKeySelectionExpression": "$request.header.x-api-key",
        "DisableExecuteApiEndpoint": false,
        "IpAddressType": "ipv4",
        "Tags": {},
    });
    let row = ApiRow { document: merge(&defaults, document), created_ms: tx.now_ms(), revision: 1 };
    APIS.put(tx, &key(ctx, &id), &row)?;
    let owner = OwnerRow { account: ctx.account().to_owned(), region: ctx.region().to_owned() };
    OWNERS.put(tx, &id, &owner)?;
    Ok((id, row))
}

async fn quick(
    tx: &Tx,
    ctx: &Context,
    api: &str,
    target: &str,
    route_key: &str,
) -> Result<(), ServiceError> {
    if !target.starts_with("arn:") {
        return Err(ServiceError::unsupported("an HTTP proxy integration"));
    }
    let (integration, route) = (new_id(tx, 7), new_id(tx, 7));
    let document = serde_json::json!({
        "IntegrationId": integration, "IntegrationType": "AWS_PROXY", "IntegrationUri": target,
        "PayloadFormatVersion": "2.0", "ConnectionType": "INTERNET", "IntegrationMethod": "POST",
        "TimeoutInMillis": 30_000, "ApiGatewayManaged": true,
    });
    put(tx, ctx, api, (INTEGRATION, &integration), document).await?;
    let document = serde_json::json!({
        "RouteId": route, "RouteKey": route_key, "Target": format!("integrations/{integration}"),
        "AuthorizationType": "NONE", "ApiKeyRequired": false, "ApiGatewayManaged": true,
    });
    put(tx, ctx, api, (ROUTE, &route), document).await?;
    let document =
        serde_json::json!({"StageName": "$default", "AutoDeploy": true, "ApiGatewayManaged": true});
    put(tx, ctx, api, (STAGE, "$default"), document).await?;
    Ok(())
}
