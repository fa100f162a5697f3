//! `UpdateIntegration`: changes an integration.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{access, passing};
use crate::ApiGateway;
use crate::api::apigatewayv2::operations::UpdateIntegration;
use crate::api::apigatewayv2::shapes::{UpdateIntegrationInput, UpdateIntegrationOutput};
use crate::engine::checks::check_integration;
use crate::engine::parts::{INTEGRATION, get, merge_maps, put, without};
use undercast_smithy::to_document;

impl Handler<UpdateIntegration> for ApiGateway {
    fn authorize(&self, ctx: &Context, input: &UpdateIntegrationInput) -> Vec<Access> {
        let path = format!("/apis/{}/integrations/{}", input.api_id, input.integration_id);
        passing(access(ctx, "PATCH", &path), input.credentials_arn.as_ref())
    }

    async fn handle(
        &self,
        ctx: Context,
        input: UpdateIntegrationInput,
    ) -> Result<UpdateIntegrationOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let old = get(&tx, &ctx, &input.api_id, INTEGRATION, &input.integration_id).await?;
            let given = without(to_document(&*input), &["ApiId", "IntegrationId"]);
            let maps = ["RequestParameters", "ResponseParameters"];
            let document = merge_maps(&old.document, &given, &maps);
            check_integration(&tx, &ctx, &document).await?;
            let row = put(&tx, &ctx, &input.api_id, (INTEGRATION, &input.integration_id), document)
                .await?;
            super::read(row.document)
        })
        .await
    }
}
