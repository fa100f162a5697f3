//! `GetTags`: the tags of an API or a stage.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::access;
use crate::ApiGateway;
use crate::api::apigatewayv2::operations::GetTags;
use crate::api::apigatewayv2::shapes::{GetTagsInput, GetTagsOutput};

impl Handler<GetTags> for ApiGateway {
    fn authorize(&self, ctx: &Context, _: &GetTagsInput) -> Vec<Access> {
        access(ctx, "GET", "/tags")
    }

    async fn handle(
        &self,
        ctx: Context,
        input: GetTagsInput,
    ) -> Result<GetTagsOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let tags = super::tags_of(&tx, &ctx, &input.resource_arn).await?;
            super::read(serde_json::json!({"Tags": tags}))
        })
        .await
    }
}
