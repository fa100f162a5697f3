//! `GetApi`: one API.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{access, shown_api};
use crate::ApiGateway;
use crate::api::apigatewayv2::operations::GetApi;
use crate::api::apigatewayv2::shapes::{GetApiInput, GetApiOutput};
use crate::engine::parts::require_api;

impl Handler<GetApi> for ApiGateway {
    fn authorize(&self, ctx: &Context, input: &GetApiInput) -> Vec<Access> {
        access(ctx, "GET", &format!("/apis/{}", input.api_id))
    }

    async fn handle(&self, ctx: Context, input: GetApiInput) -> Result<GetApiOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let row = require_api(&tx, &ctx, &input.api_id).await?;
            super::read(shown_api(&ctx, &input.api_id, &row))
        })
        .await
    }
}
