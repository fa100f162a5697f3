//! `ResetAuthorizersCache`: forgets what the authorizers of a stage have answered: that goes with the API's revision.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::access;
use crate::ApiGateway;
use crate::api::apigatewayv2::operations::ResetAuthorizersCache;
use crate::api::apigatewayv2::shapes::{ResetAuthorizersCacheInput, ResetAuthorizersCacheOutput};
use crate::engine::parts::{STAGE, get, touch};

impl Handler<ResetAuthorizersCache> for ApiGateway {
    fn authorize(&self, ctx: &Context, input: &ResetAuthorizersCacheInput) -> Vec<Access> {
        access(
            ctx,
            "DELETE",
            &format!("/apis/{}/stages/{}/cache/authorizers", input.api_id, input.stage_name),
        )
    }

    async fn handle(
        &self,
        ctx: Context,
        input: ResetAuthorizersCacheInput,
    ) -> Result<ResetAuthorizersCacheOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            get(&tx, &ctx, &input.api_id, STAGE, &input.stage_name).await?;
            touch(&tx, &ctx, &input.api_id).await?;
            Ok(ResetAuthorizersCacheOutput::default())
        })
        .await
    }
}
