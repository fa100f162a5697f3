//! `CreateIntegration`: makes an integration.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{access, passing};
use crate::ApiGateway;
use crate::api::apigatewayv2::operations::CreateIntegration;
use crate::api::apigatewayv2::shapes::{CreateIntegrationInput, CreateIntegrationOutput};
use crate::engine::checks::check_integration;
use crate::engine::parts::{INTEGRATION, integration_defaults, merge, new_id, put, without};
use serde_json::json;
use undercast_smithy::to_document;

impl Handler<CreateIntegration> for ApiGateway {
    fn authorize(&self, ctx: &Context, input: &CreateIntegrationInput) -> Vec<Access> {
        passing(
            access(ctx, "POST", &format!("/apis/{}/integrations", input.api_id)),
            input.credentials_arn.as_ref(),
        )
    }

    async fn handle(
        &self,
        ctx: Context,
        input: CreateIntegrationInput,
    ) -> Result<CreateIntegrationOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let id = new_id(&tx, 7);
            let mut document = integration_defaults(&input.integration_type);
            document = merge(&document, &without(to_document(&*input), &["ApiId"]));
            document = merge(&document, &json!({"IntegrationId": id}));
            check_integration(&tx, &ctx, &document).await?;
            let row = put(&tx, &ctx, &input.api_id, (INTEGRATION, &id), document).await?;
            super::read(row.document)
        })
        .await
    }
}
