//! `BatchGetDeployments`: several deployments; those that are not there are left out.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{allowed, shown_deployment};
use crate::api::codedeploy::operations::BatchGetDeployments;
use crate::api::codedeploy::shapes::{BatchGetDeploymentsInput, BatchGetDeploymentsOutput};
use crate::codedeploy::CodeDeploy;

const IDS_MAX: usize = 25;

impl Handler<BatchGetDeployments> for CodeDeploy {
    /// The resources are the deployments' groups: `handle` knows them.
    fn authorize(&self, _: &Context, _: &BatchGetDeploymentsInput) -> Vec<Access> {
        Vec::new()
    }

    async fn handle(
        &self,
        ctx: Context,
        input: BatchGetDeploymentsInput,
    ) -> Result<BatchGetDeploymentsOutput, ServiceError> {
        if input.deployment_ids.len() > IDS_MAX {
            return Err(ServiceError::new(
                "BatchLimitExceededException",
                format!("The maximum number of deployment IDs is {IDS_MAX}"),
            ));
        }
        let mut infos = Vec::new();
        for id in &input.deployment_ids {
            match allowed(&ctx, "BatchGetDeployments", id).await {
                Ok(row) => infos.push(shown_deployment(id, &row)),
                Err(error) if error.code() == "DeploymentDoesNotExistException" => {}
                Err(error) => return Err(error),
            }
        }
        Ok(BatchGetDeploymentsOutput { deployments_info: Some(infos) })
    }
}
