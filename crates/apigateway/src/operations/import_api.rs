//! `ImportApi`: makes an HTTP API from an OpenAPI document.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::create_api::insert;
use super::{access, shown_api};
use crate::ApiGateway;
use crate::api::apigatewayv2::operations::ImportApi;
use crate::api::apigatewayv2::shapes::{ImportApiInput, ImportApiOutput};
use crate::engine::openapi;
use crate::engine::parts::merge;
use crate::error::bad;

impl Handler<ImportApi> for ApiGateway {
    fn authorize(&self, ctx: &Context, _: &ImportApiInput) -> Vec<Access> {
        access(ctx, "PUT", "/apis")
    }

    async fn handle(
        &self,
        ctx: Context,
        input: ImportApiInput,
    ) -> Result<ImportApiOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let document = openapi::parse(&input.body)?;
            let api = openapi::api(&document);
            if api.get("Name").is_none() {
                return Err(bad("Invalid OpenAPI input: info.title is missing"));
            }
            let (id, _) =
                insert(&tx, &ctx, &merge(&serde_json::json!({"ProtocolType": "HTTP"}), &api))?;
            let row = openapi::replace(&tx, &ctx, &id, &document).await?;
            super::read(shown_api(&ctx, &id, &row))
        })
        .await
    }
}
