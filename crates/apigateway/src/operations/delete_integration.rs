//! `DeleteIntegration`: deletes an integration.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::access;
use crate::ApiGateway;
use crate::api::apigatewayv2::operations::DeleteIntegration;
use crate::api::apigatewayv2::shapes::{DeleteIntegrationInput, DeleteIntegrationOutput};
use crate::engine::parts::{INTEGRATION, ROUTE, delete, list};
use crate::error::conflict;

impl Handler<DeleteIntegration> for ApiGateway {
    fn authorize(&self, ctx: &Context, input: &DeleteIntegrationInput) -> Vec<Access> {
        access(
            ctx,
            "DELETE",
            &format!("/apis/{}/integrations/{}", input.api_id, input.integration_id),
        )
    }

    async fn handle(
        &self,
        ctx: Context,
        input: DeleteIntegrationInput,
    ) -> Result<DeleteIntegrationOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let target = format!("integrations/{}", input.integration_id);
            let routes = list(&tx, &ctx, &input.api_id, ROUTE).await?;
            let used = routes
                .iter()
                .find(|row| row.document.get("Target").and_then(|t| t.as_str()) == Some(&target));
            if let Some(route) =
                used.and_then(|row| row.document.get("RouteId")).and_then(|id| id.as_str())
            {
                return Err(conflict(format!(
                    "Cannot delete Integration with id '{}' used in Route with id '{route}'",
                    input.integration_id
                )));
            }
            delete(&tx, &ctx, &input.api_id, INTEGRATION, &input.integration_id).await?;
            Ok(DeleteIntegrationOutput::default())
        })
        .await
    }
}
