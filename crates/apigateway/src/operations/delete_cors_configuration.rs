//! `DeleteCorsConfiguration`: an API answers no cross-origin requests any more.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::access;
use crate::ApiGateway;
use crate::api::apigatewayv2::operations::DeleteCorsConfiguration;
use crate::api::apigatewayv2::shapes::{
    DeleteCorsConfigurationInput, DeleteCorsConfigurationOutput,
};
use crate::engine::parts::{key, touch, without};
use crate::store::APIS;

impl Handler<DeleteCorsConfiguration> for ApiGateway {
    fn authorize(&self, ctx: &Context, input: &DeleteCorsConfigurationInput) -> Vec<Access> {
        access(ctx, "DELETE", &format!("/apis/{}/cors", input.api_id))
    }

    async fn handle(
        &self,
        ctx: Context,
        input: DeleteCorsConfigurationInput,
    ) -> Result<DeleteCorsConfigurationOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let mut row = touch(&tx, &ctx, &input.api_id).await?;
            row.document = without(row.document, &["CorsConfiguration"]);
            APIS.put(&tx, &key(&ctx, &input.api_id), &row)?;
            Ok(DeleteCorsConfigurationOutput::default())
        })
        .await
    }
}
