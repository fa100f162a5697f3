//! `CreateDeployment`: keeps the routes as they stand, and lets a stage serve them.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::access;
use crate::ApiGateway;
use crate::api::apigatewayv2::operations::CreateDeployment;
use crate::api::apigatewayv2::shapes::{CreateDeploymentInput, CreateDeploymentOutput};
use crate::engine::parts::{STAGE, deploy, get, merge, put};

impl Handler<CreateDeployment> for ApiGateway {
    fn authorize(&self, ctx: &Context, input: &CreateDeploymentInput) -> Vec<Access> {
        access(ctx, "POST", &format!("/apis/{}/deployments", input.api_id))
    }

    async fn handle(
        &self,
        ctx: Context,
        input: CreateDeploymentInput,
    ) -> Result<CreateDeploymentOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let (id, row) = deploy(&tx, &ctx, &input.api_id, input.description.as_ref()).await?;
            if let Some(stage) = &input.stage_name {
                let old = get(&tx, &ctx, &input.api_id, STAGE, stage).await?;
                let document = merge(&old.document, &serde_json::json!({"DeploymentId": id}));
                put(&tx, &ctx, &input.api_id, (STAGE, stage), document).await?;
            }
            super::read(super::shown_deployment(row))
        })
        .await
    }
}
