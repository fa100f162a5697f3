//! `StopDeployment`: ends a deployment; the traffic goes back where that is wanted.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{allowed, deployment, key};
use crate::api::codedeploy::operations::StopDeployment;
use crate::api::codedeploy::shapes::{StopDeploymentInput, StopDeploymentOutput};
use crate::codedeploy::store::Status;
use crate::codedeploy::{CodeDeploy, deploy};

impl Handler<StopDeployment> for CodeDeploy {
    /// The resource is the deployment's group: `handle` knows it.
    fn authorize(&self, _: &Context, _: &StopDeploymentInput) -> Vec<Access> {
        Vec::new()
    }

    async fn handle(
        &self,
        ctx: Context,
        input: StopDeploymentInput,
    ) -> Result<StopDeploymentOutput, ServiceError> {
        allowed(&ctx, "StopDeployment", &input.deployment_id).await?;
        ctx.transact(input, |tx, ctx, input| async move {
            let id = &input.deployment_id;
            if deployment(&tx, &ctx, id).await?.is_decided() {
                return Err(ServiceError::new(
                    "DeploymentAlreadyCompletedException",
                    format!("The deployment {id} is already completed"),
                ));
            }
            let reason = ("MANUAL_STOP", "The deployment was stopped");
            let goes_back = input.auto_rollback_enabled;
            deploy::end(&tx, &key(&ctx, id), Status::Stopped, reason, goes_back).await?;
            Ok(StopDeploymentOutput {
                status: Some("Pending".to_owned()),
                status_message: Some("The deployment is being stopped".to_owned()),
            })
        })
        .await
    }
}
