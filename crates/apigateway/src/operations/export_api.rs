//! `ExportApi`: the API as an OpenAPI document.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::access;
use crate::ApiGateway;
use crate::api::apigatewayv2::operations::ExportApi;
use crate::api::apigatewayv2::shapes::{ExportApiInput, ExportApiOutput};
use crate::engine::export;
use crate::engine::parts::{STAGE, get, require_api, served, snapshot};
use crate::error::bad;

impl Handler<ExportApi> for ApiGateway {
    fn authorize(&self, ctx: &Context, input: &ExportApiInput) -> Vec<Access> {
        access(ctx, "GET", &format!("/apis/{}/exports/{}", input.api_id, input.specification))
    }

    async fn handle(
        &self,
        ctx: Context,
        input: ExportApiInput,
    ) -> Result<ExportApiOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            if input.specification != "OAS30" {
                return Err(bad("Invalid specification: OAS30 is expected"));
            }
            // What is JSON is YAML as well.
            if !matches!(input.output_type.as_str(), "JSON" | "YAML") {
                return Err(bad("Invalid output type: JSON or YAML is expected"));
            }
            if input.export_version.as_deref().is_some_and(|version| version != "1.0") {
                return Err(bad("Invalid export version: 1.0 is expected"));
            }
            let row = require_api(&tx, &ctx, &input.api_id).await?;
            let parts = match &input.stage_name {
                Some(stage) => {
                    let stage = get(&tx, &ctx, &input.api_id, STAGE, stage).await?.document;
                    served(&tx, &ctx, &input.api_id, &stage).await?
                }
                None => snapshot(&tx, &ctx, &input.api_id).await?,
            };
            let extensions = input.include_extensions.unwrap_or(true);
            let document = export::document(&row.document, &parts, extensions);
            Ok(ExportApiOutput { body: Some(document.to_string().into()) })
        })
        .await
    }
}
