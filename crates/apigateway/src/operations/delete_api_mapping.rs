//! `DeleteApiMapping`: deletes a mapping.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::access;
use crate::ApiGateway;
use crate::api::apigatewayv2::operations::DeleteApiMapping;
use crate::api::apigatewayv2::shapes::{DeleteApiMappingInput, DeleteApiMappingOutput};
use crate::engine::domains;
use crate::store::MAPPINGS;

impl Handler<DeleteApiMapping> for ApiGateway {
    fn authorize(&self, ctx: &Context, input: &DeleteApiMappingInput) -> Vec<Access> {
        access(
            ctx,
            "DELETE",
            &format!("/domainnames/{}/apimappings/{}", input.domain_name, input.api_mapping_id),
        )
    }

    async fn handle(
        &self,
        ctx: Context,
        input: DeleteApiMappingInput,
    ) -> Result<DeleteApiMappingOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let id = &input.api_mapping_id;
            domains::mapping(&tx, &ctx, &input.domain_name, id).await?;
            MAPPINGS.delete(&tx, &(input.domain_name.to_ascii_lowercase(), id.clone()))?;
            Ok(DeleteApiMappingOutput::default())
        })
        .await
    }
}
