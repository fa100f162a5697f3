//! `CreateApiMapping`: leads paths under a domain name to a stage.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::access;
use crate::ApiGateway;
use crate::api::apigatewayv2::operations::CreateApiMapping;
use crate::api::apigatewayv2::shapes::{CreateApiMappingInput, CreateApiMappingOutput};
use crate::engine::domains;
use crate::engine::parts::new_id;
use crate::store::MappingRow;

impl Handler<CreateApiMapping> for ApiGateway {
    fn authorize(&self, ctx: &Context, input: &CreateApiMappingInput) -> Vec<Access> {
        access(ctx, "POST", &format!("/domainnames/{}/apimappings", input.domain_name))
    }

    async fn handle(
        &self,
        ctx: Context,
        input: CreateApiMappingInput,
    ) -> Result<CreateApiMappingOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let row = MappingRow {
                id: new_id(&tx, 6),
                api: input.api_id.clone(),
                stage: input.stage.clone(),
                key: input.api_mapping_key.clone().unwrap_or_default(),
            };
            let row = domains::put_mapping(&tx, &ctx, &input.domain_name, row).await?;
            super::read(domains::shown_mapping(&row))
        })
        .await
    }
}
