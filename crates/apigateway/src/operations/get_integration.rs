//! `GetIntegration`: one integration.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::access;
use crate::ApiGateway;
use crate::api::apigatewayv2::operations::GetIntegration;
use crate::api::apigatewayv2::shapes::{GetIntegrationInput, GetIntegrationOutput};
use crate::engine::parts::{INTEGRATION, get};

impl Handler<GetIntegration> for ApiGateway {
    fn authorize(&self, ctx: &Context, input: &GetIntegrationInput) -> Vec<Access> {
        access(ctx, "GET", &format!("/apis/{}/integrations/{}", input.api_id, input.integration_id))
    }

    async fn handle(
        &self,
        ctx: Context,
        input: GetIntegrationInput,
    ) -> Result<GetIntegrationOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let row = get(&tx, &ctx, &input.api_id, INTEGRATION, &input.integration_id).await?;
            super::read(row.document)
        })
        .await
    }
}
