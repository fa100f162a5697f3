//! `DeleteDeployment`: deletes a deployment that no stage serves.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::access;
use crate::ApiGateway;
use crate::api::apigatewayv2::operations::DeleteDeployment;
use crate::api::apigatewayv2::shapes::{DeleteDeploymentInput, DeleteDeploymentOutput};
use crate::engine::parts::{DEPLOYMENT, STAGE, delete, list};
use crate::error::bad;

impl Handler<DeleteDeployment> for ApiGateway {
    fn authorize(&self, ctx: &Context, input: &DeleteDeploymentInput) -> Vec<Access> {
        access(
            ctx,
            "DELETE",
            &format!("/apis/{}/deployments/{}", input.api_id, input.deployment_id),
        )
    }

    async fn handle(
        &self,
        ctx: Context,
        input: DeleteDeploymentInput,
    ) -> Result<DeleteDeploymentOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let stages = list(&tx, &ctx, &input.api_id, STAGE).await?;
            let id = input.deployment_id.as_str();
            if stages
                .iter()
                .any(|row| row.document.get("DeploymentId").and_then(|d| d.as_str()) == Some(id))
            {
                return Err(bad("Active stages with deployment must be moved or deleted"));
            }
            delete(&tx, &ctx, &input.api_id, DEPLOYMENT, id).await?;
            Ok(DeleteDeploymentOutput::default())
        })
        .await
    }
}
