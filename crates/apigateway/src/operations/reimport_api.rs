//! `ReimportApi`: puts an OpenAPI document in the place of an API's routes and integrations.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{access, shown_api};
use crate::ApiGateway;
use crate::api::apigatewayv2::operations::ReimportApi;
use crate::api::apigatewayv2::shapes::{ReimportApiInput, ReimportApiOutput};
use crate::engine::openapi;

impl Handler<ReimportApi> for ApiGateway {
    fn authorize(&self, ctx: &Context, input: &ReimportApiInput) -> Vec<Access> {
        access(ctx, "PUT", &format!("/apis/{}", input.api_id))
    }

    async fn handle(
        &self,
        ctx: Context,
        input: ReimportApiInput,
    ) -> Result<ReimportApiOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let document = openapi::parse(&input.body)?;
            let row = openapi::replace(&tx, &ctx, &input.api_id, &document).await?;
            super::read(shown_api(&ctx, &input.api_id, &row))
        })
        .await
    }
}
