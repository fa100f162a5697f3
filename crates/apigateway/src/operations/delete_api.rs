//! `DeleteApi`: deletes an API with everything in it.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::access;
use crate::ApiGateway;
use crate::api::apigatewayv2::operations::DeleteApi;
use crate::api::apigatewayv2::shapes::{DeleteApiInput, DeleteApiOutput};
use crate::engine::parts::delete_api;

impl Handler<DeleteApi> for ApiGateway {
    fn authorize(&self, ctx: &Context, input: &DeleteApiInput) -> Vec<Access> {
        access(ctx, "DELETE", &format!("/apis/{}", input.api_id))
    }

    async fn handle(
        &self,
        ctx: Context,
        input: DeleteApiInput,
    ) -> Result<DeleteApiOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            delete_api(&tx, &ctx, &input.api_id).await?;
            Ok(DeleteApiOutput::default())
        })
        .await
    }
}
