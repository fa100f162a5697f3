//! `CreateAuthorizer`: makes an authorizer.

use serde_json::json;
use undercast_kernel::{Access, Context, Handler, ServiceError};
use undercast_smithy::to_document;

use super::{access, passing};
use crate::ApiGateway;
use crate::api::apigatewayv2::operations::CreateAuthorizer;
use crate::api::apigatewayv2::shapes::{CreateAuthorizerInput, CreateAuthorizerOutput};
use crate::engine::checks::check_authorizer;
use crate::engine::parts::{AUTHORIZER, merge, new_id, put, without};

impl Handler<CreateAuthorizer> for ApiGateway {
    fn authorize(&self, ctx: &Context, input: &CreateAuthorizerInput) -> Vec<Access> {
        passing(
            access(ctx, "POST", &format!("/apis/{}/authorizers", input.api_id)),
            input.authorizer_credentials_arn.as_ref(),
        )
    }

    async fn handle(
        &self,
        ctx: Context,
        input: CreateAuthorizerInput,
    ) -> Result<CreateAuthorizerOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let id = new_id(&tx, 6);
            let given = without(to_document(&*input), &["ApiId"]);
            let document = merge(&given, &json!({"AuthorizerId": id}));
            check_authorizer(&tx, &ctx, &input.api_id, &document).await?;
            let row = put(&tx, &ctx, &input.api_id, (AUTHORIZER, &id), document).await?;
            super::read(row.document)
        })
        .await
    }
}
