//! `GetIntegrations`: the integrations of an API.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::access;
use crate::ApiGateway;
use crate::api::apigatewayv2::operations::GetIntegrations;
use crate::api::apigatewayv2::shapes::{GetIntegrationsInput, GetIntegrationsOutput};
use crate::engine::parts::{INTEGRATION, list};

impl Handler<GetIntegrations> for ApiGateway {
    fn authorize(&self, ctx: &Context, input: &GetIntegrationsInput) -> Vec<Access> {
        access(ctx, "GET", &format!("/apis/{}/integrations", input.api_id))
    }

    async fn handle(
        &self,
        ctx: Context,
        input: GetIntegrationsInput,
    ) -> Result<GetIntegrationsOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let rows = list(&tx, &ctx, &input.api_id, INTEGRATION).await?;
            let items = rows.into_iter().map(|row| row.document).collect();
            super::read_page(items, input.next_token.as_deref(), input.max_results.as_deref())
        })
        .await
    }
}
