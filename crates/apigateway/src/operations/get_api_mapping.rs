//! `GetApiMapping`: one mapping.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::access;
use crate::ApiGateway;
use crate::api::apigatewayv2::operations::GetApiMapping;
use crate::api::apigatewayv2::shapes::{GetApiMappingInput, GetApiMappingOutput};
use crate::engine::domains;

impl Handler<GetApiMapping> for ApiGateway {
    fn authorize(&self, ctx: &Context, input: &GetApiMappingInput) -> Vec<Access> {
        access(
            ctx,
            "GET",
            &format!("/domainnames/{}/apimappings/{}", input.domain_name, input.api_mapping_id),
        )
    }

    async fn handle(
        &self,
        ctx: Context,
        input: GetApiMappingInput,
    ) -> Result<GetApiMappingOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let id = &input.api_mapping_id;
            let row = domains::mapping(&tx, &ctx, &input.domain_name, id).await?;
            super::read(domains::shown_mapping(&row))
        })
        .await
    }
}
