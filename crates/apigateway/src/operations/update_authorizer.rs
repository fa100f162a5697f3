//! `UpdateAuthorizer`: changes an authorizer.

use undercast_kernel::{Access, Context, Handler, ServiceError};
use undercast_smithy::to_document;

use super::{access, passing};
use crate::ApiGateway;
use crate::api::apigatewayv2::operations::UpdateAuthorizer;
use crate::api::apigatewayv2::shapes::{UpdateAuthorizerInput, UpdateAuthorizerOutput};
use crate::engine::checks::check_authorizer;
use crate::engine::parts::{AUTHORIZER, get, merge, put, without};

impl Handler<UpdateAuthorizer> for ApiGateway {
    fn authorize(&self, ctx: &Context, input: &UpdateAuthorizerInput) -> Vec<Access> {
        passing(
            access(
                ctx,
                "PATCH",
                &format!("/apis/{}/authorizers/{}", input.api_id, input.authorizer_id),
            ),
            input.authorizer_credentials_arn.as_ref(),
        )
    }

    async fn handle(
        &self,
        ctx: Context,
        input: UpdateAuthorizerInput,
    ) -> Result<UpdateAuthorizerOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let old = get(&tx, &ctx, &input.api_id, AUTHORIZER, &input.authorizer_id).await?;
            let given = without(to_document(&*input), &["ApiId", "AuthorizerId"]);
            let document = merge(&old.document, &given);
            check_authorizer(&tx, &ctx, &input.api_id, &document).await?;
            let key = (AUTHORIZER, input.authorizer_id.as_str());
            let row = put(&tx, &ctx, &input.api_id, key, document).await?;
            super::read(row.document)
        })
        .await
    }
}
