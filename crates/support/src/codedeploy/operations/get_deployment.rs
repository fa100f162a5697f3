//! `GetDeployment`: where a deployment stands.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{allowed, shown_deployment};
use crate::api::codedeploy::operations::GetDeployment;
use crate::api::codedeploy::shapes::{GetDeploymentInput, GetDeploymentOutput};
use crate::codedeploy::CodeDeploy;

impl Handler<GetDeployment> for CodeDeploy {
    /// The resource is the deployment's group: `handle` knows it.
    fn authorize(&self, _: &Context, _: &GetDeploymentInput) -> Vec<Access> {
        Vec::new()
    }

    async fn handle(
        &self,
        ctx: Context,
        input: GetDeploymentInput,
    ) -> Result<GetDeploymentOutput, ServiceError> {
        let row = allowed(&ctx, "GetDeployment", &input.deployment_id).await?;
        let info = shown_deployment(&input.deployment_id, &row);
        Ok(GetDeploymentOutput { deployment_info: Some(info) })
    }
}
