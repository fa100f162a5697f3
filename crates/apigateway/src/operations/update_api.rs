//! `UpdateApi`: changes an API.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{access, shown_api};
use crate::ApiGateway;
use crate::api::apigatewayv2::operations::UpdateApi;
use crate::api::apigatewayv2::shapes::{UpdateApiInput, UpdateApiOutput};
use crate::engine::parts::{key, merge, touch, without};
use crate::store::APIS;
use undercast_smithy::to_document;

impl Handler<UpdateApi> for ApiGateway {
    fn authorize(&self, ctx: &Context, input: &UpdateApiInput) -> Vec<Access> {
        access(ctx, "PATCH", &format!("/apis/{}", input.api_id))
    }

    async fn handle(
        &self,
        ctx: Context,
        input: UpdateApiInput,
    ) -> Result<UpdateApiOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let mut row = touch(&tx, &ctx, &input.api_id).await?;
            if input.target.is_some() || input.route_key.is_some() {
                return Err(ServiceError::unsupported(
                    "changing the target of a quick-created API",
                ));
            }
            row.document = merge(&row.document, &without(to_document(&*input), &["ApiId"]));
            APIS.put(&tx, &key(&ctx, &input.api_id), &row)?;
            super::read(shown_api(&ctx, &input.api_id, &row))
        })
        .await
    }
}
