//! `UntagResource`: removes tags of an API or a stage.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::access;
use crate::ApiGateway;
use crate::api::apigatewayv2::operations::UntagResource;
use crate::api::apigatewayv2::shapes::{UntagResourceInput, UntagResourceOutput};

impl Handler<UntagResource> for ApiGateway {
    fn authorize(&self, ctx: &Context, _: &UntagResourceInput) -> Vec<Access> {
        access(ctx, "DELETE", "/tags")
    }

    async fn handle(
        &self,
        ctx: Context,
        input: UntagResourceInput,
    ) -> Result<UntagResourceOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let mut tags = super::tags_of(&tx, &ctx, &input.resource_arn).await?;
            tags.retain(|name, _| !input.tag_keys.contains(name));
            super::set_tags(&tx, &ctx, &input.resource_arn, tags).await?;
            Ok(UntagResourceOutput::default())
        })
        .await
    }
}
