//! `CreateApi`: makes an HTTP API; with a target also a route, an integration and a stage (quick create).

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{access, passing, shown_api};
use crate::ApiGateway;
use crate::api::apigatewayv2::operations::CreateApi;
use crate::api::apigatewayv2::shapes::{CreateApiInput, CreateApiOutput};
use crate::engine::checks::{check_integration, check_route};
use crate::engine::parts::{INTEGRATION, ROUTE, STAGE, api_id, key, merge, new_id, put, without};
use crate::store::{APIS, ApiRow, OWNERS, OwnerRow};
use undercast_smithy::{Document, to_document};
use undercast_store::Tx;

impl Handler<CreateApi> for ApiGateway {
    fn authorize(&self, ctx: &Context, input: &CreateApiInput) -> Vec<Access> {
        passing(access(ctx, "POST", "/apis"), input.credentials_arn.as_ref())
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
                quick(&tx, &ctx, &id, &input, target).await?;
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

/// A function, or another HTTP server.
pub(super) fn quick_integration(target: &str, credentials: Option<&String>) -> Document {
    let (kind, method, version) = match target.starts_with("arn:") {
        true => ("AWS_PROXY", "POST", "2.0"),
        false => ("HTTP_PROXY", "ANY", "1.0"),
    };
    let mut document = serde_json::json!({
        "IntegrationType": kind, "IntegrationUri": target, "IntegrationMethod": method,
        "PayloadFormatVersion": version,
    });
    if let (Some(role), Document::Object(members)) = (credentials, &mut document) {
        members.insert("CredentialsArn".to_owned(), role.clone().into());
    }
    document
}

async fn quick(
    tx: &Tx,
    ctx: &Context,
    api: &str,
    input: &CreateApiInput,
    target: &str,
) -> Result<(), ServiceError> {
    let route_key = input.route_key.as_deref().unwrap_or("$default");
    let credentials = input.credentials_arn.as_ref();
    let (integration, route) = (new_id(tx, 7), new_id(tx, 7));
    let document = merge(
        &quick_integration(target, credentials),
        &serde_json::json!({
            "IntegrationId": integration, "ConnectionType": "INTERNET", "TimeoutInMillis": 30_000,
            "ApiGatewayManaged": true,
        }),
    );
    check_integration(tx, ctx, &document).await?;
    put(tx, ctx, api, (INTEGRATION, &integration), document).await?;
    let document = serde_json::json!({
        "RouteId": route, "RouteKey": route_key, "Target": format!("integrations/{integration}"),
        "AuthorizationType": "NONE", "ApiKeyRequired": false, "ApiGatewayManaged": true,
    });
    check_route(tx, ctx, api, None, &document).await?;
    put(tx, ctx, api, (ROUTE, &route), document).await?;
    let document =
        serde_json::json!({"StageName": "$default", "AutoDeploy": true, "ApiGatewayManaged": true});
    put(tx, ctx, api, (STAGE, "$default"), document).await?;
    Ok(())
}
