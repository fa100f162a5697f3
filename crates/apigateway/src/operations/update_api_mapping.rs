//! `UpdateApiMapping`: changes where a mapping leads, or what it is for.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::access;
use crate::ApiGateway;
use crate::api::apigatewayv2::operations::UpdateApiMapping;
use crate::api::apigatewayv2::shapes::{UpdateApiMappingInput, UpdateApiMappingOutput};
use crate::engine::domains;

impl Handler<UpdateApiMapping> for ApiGateway {
    fn authorize(&self, ctx: &Context, input: &UpdateApiMappingInput) -> Vec<Access> {
        access(
            ctx,
            "PATCH",
            &format!("/domainnames/{}/apimappings/{}", input.domain_name, input.api_mapping_id),
        )
    }

    async fn handle(
        &self,
        ctx: Context,
        input: UpdateApiMappingInput,
    ) -> Result<UpdateApiMappingOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let id = &input.api_mapping_id;
            let mut row = domains::mapping(&tx, &ctx, &input.domain_name, id).await?;
            row.api.clone_from(&input.api_id);
            if let Some(stage) = &input.stage {
                row.stage.clone_from(stage);
            }
            if let Some(key) = &input.api_mapping_key {
                row.key.clone_from(key);
            }
            let row = domains::put_mapping(&tx, &ctx, &input.domain_name, row).await?;
            super::read(domains::shown_mapping(&row))
        })
        .await
    }
}
