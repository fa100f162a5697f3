//! `UpdateDeployment`: changes the description of a deployment.

use serde_json::json;
use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::access;
use crate::ApiGateway;
use crate::api::apigatewayv2::operations::UpdateDeployment;
use crate::api::apigatewayv2::shapes::{UpdateDeploymentInput, UpdateDeploymentOutput};
use crate::engine::parts::{DEPLOYMENT, get, merge, put};

impl Handler<UpdateDeployment> for ApiGateway {
    fn authorize(&self, ctx: &Context, input: &UpdateDeploymentInput) -> Vec<Access> {
        access(ctx, "PATCH", &format!("/apis/{}/deployments/{}", input.api_id, input.deployment_id))
    }

    async fn handle(
        &self,
        ctx: Context,
        input: UpdateDeploymentInput,
    ) -> Result<UpdateDeploymentOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let old = get(&tx, &ctx, &input.api_id, DEPLOYMENT, &input.deployment_id).await?;
            let document = merge(&old.document, &json!({"Description": input.description}));
            let key = (DEPLOYMENT, input.deployment_id.as_str());
            let row = put(&tx, &ctx, &input.api_id, key, document).await?;
            super::read(super::shown_deployment(row))
        })
        .await
    }
}
