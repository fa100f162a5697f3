//! `GetDeployment`: one deployment.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::access;
use crate::ApiGateway;
use crate::api::apigatewayv2::operations::GetDeployment;
use crate::api::apigatewayv2::shapes::{GetDeploymentInput, GetDeploymentOutput};
use crate::engine::parts::{DEPLOYMENT, get};

impl Handler<GetDeployment> for ApiGateway {
    fn authorize(&self, ctx: &Context, input: &GetDeploymentInput) -> Vec<Access> {
        access(ctx, "GET", &format!("/apis/{}/deployments/{}", input.api_id, input.deployment_id))
    }

    async fn handle(
        &self,
        ctx: Context,
        input: GetDeploymentInput,
    ) -> Result<GetDeploymentOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let row = get(&tx, &ctx, &input.api_id, DEPLOYMENT, &input.deployment_id).await?;
            super::read(super::shown_deployment(row))
        })
        .await
    }
}
