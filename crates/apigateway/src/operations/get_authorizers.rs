//! `GetAuthorizers`: the authorizers of an API.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::access;
use crate::ApiGateway;
use crate::api::apigatewayv2::operations::GetAuthorizers;
use crate::api::apigatewayv2::shapes::{GetAuthorizersInput, GetAuthorizersOutput};
use crate::engine::parts::{AUTHORIZER, list};

impl Handler<GetAuthorizers> for ApiGateway {
    fn authorize(&self, ctx: &Context, input: &GetAuthorizersInput) -> Vec<Access> {
        access(ctx, "GET", &format!("/apis/{}/authorizers", input.api_id))
    }

    async fn handle(
        &self,
        ctx: Context,
        input: GetAuthorizersInput,
    ) -> Result<GetAuthorizersOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let rows = list(&tx, &ctx, &input.api_id, AUTHORIZER).await?;
            let items = rows.into_iter().map(|row| row.document).collect();
            super::read_page(items, input.next_token.as_deref(), input.max_results.as_deref())
        })
        .await
    }
}
