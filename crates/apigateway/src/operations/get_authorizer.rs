//! `GetAuthorizer`: one authorizer.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::access;
use crate::ApiGateway;
use crate::api::apigatewayv2::operations::GetAuthorizer;
use crate::api::apigatewayv2::shapes::{GetAuthorizerInput, GetAuthorizerOutput};
use crate::engine::parts::{AUTHORIZER, get};

impl Handler<GetAuthorizer> for ApiGateway {
    fn authorize(&self, ctx: &Context, input: &GetAuthorizerInput) -> Vec<Access> {
        access(ctx, "GET", &format!("/apis/{}/authorizers/{}", input.api_id, input.authorizer_id))
    }

    async fn handle(
        &self,
        ctx: Context,
        input: GetAuthorizerInput,
    ) -> Result<GetAuthorizerOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let row = get(&tx, &ctx, &input.api_id, AUTHORIZER, &input.authorizer_id).await?;
            super::read(row.document)
        })
        .await
    }
}
