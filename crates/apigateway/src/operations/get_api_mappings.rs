//! `GetApiMappings`: the mappings under a domain name.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::access;
use crate::ApiGateway;
use crate::api::apigatewayv2::operations::GetApiMappings;
use crate::api::apigatewayv2::shapes::{GetApiMappingsInput, GetApiMappingsOutput};
use crate::engine::domains;

impl Handler<GetApiMappings> for ApiGateway {
    fn authorize(&self, ctx: &Context, input: &GetApiMappingsInput) -> Vec<Access> {
        access(ctx, "GET", &format!("/domainnames/{}/apimappings", input.domain_name))
    }

    async fn handle(
        &self,
        ctx: Context,
        input: GetApiMappingsInput,
    ) -> Result<GetApiMappingsOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            domains::require(&tx, &ctx, &input.domain_name).await?;
            let rows = domains::mappings(&tx, &input.domain_name).await?;
            let items = rows.iter().map(domains::shown_mapping).collect();
            super::read_page(items, input.next_token.as_deref(), input.max_results.as_deref())
        })
        .await
    }
}
