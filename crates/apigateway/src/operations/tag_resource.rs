//! `TagResource`: tags an API or a stage.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::access;
use crate::ApiGateway;
use crate::api::apigatewayv2::operations::TagResource;
use crate::api::apigatewayv2::shapes::{TagResourceInput, TagResourceOutput};

impl Handler<TagResource> for ApiGateway {
    fn authorize(&self, ctx: &Context, _: &TagResourceInput) -> Vec<Access> {
        access(ctx, "POST", "/tags")
    }

    async fn handle(
        &self,
        ctx: Context,
        input: TagResourceInput,
    ) -> Result<TagResourceOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let mut tags = super::tags_of(&tx, &ctx, &input.resource_arn).await?;
            for (name, value) in input.tags.iter().flatten() {
                tags.insert(name.clone(), value.clone().into());
            }
            super::set_tags(&tx, &ctx, &input.resource_arn, tags).await?;
            Ok(TagResourceOutput::default())
        })
        .await
    }
}
