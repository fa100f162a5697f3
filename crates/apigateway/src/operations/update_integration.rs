//! `UpdateIntegration`: changes an integration.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::access;
use crate::ApiGateway;
use crate::api::apigatewayv2::operations::UpdateIntegration;
use crate::api::apigatewayv2::shapes::{UpdateIntegrationInput, UpdateIntegrationOutput};
use crate::engine::parts::{INTEGRATION, get, merge, put, without};
use undercast_smithy::to_document;

impl Handler<UpdateIntegration> for ApiGateway {
    fn authorize(&self, ctx: &Context, input: &UpdateIntegrationInput) -> Vec<Access> {
        access(
            ctx,
            "PATCH",
            &format!("/apis/{}/integrations/{}", input.api_id, input.integration_id),
        )
    }

    async fn handle(
        &self,
        ctx: Context,
        input: UpdateIntegrationInput,
    ) -> Result<UpdateIntegrationOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let old = get(&tx, &ctx, &input.api_id, INTEGRATION, &input.integration_id).await?;
            let document =
                merge(&old.document, &without(to_document(&*input), &["ApiId", "IntegrationId"]));
            super::check_integration(&document)?;
            let row = put(&tx, &ctx, &input.api_id, (INTEGRATION, &input.integration_id), document)
                .await?;
            super::read(row.document)
        })
        .await
    }
}
