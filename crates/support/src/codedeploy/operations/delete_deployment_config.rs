//! `DeleteDeploymentConfig`: deletes a configuration that no group uses.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{config_arn, key, on};
use crate::api::codedeploy::operations::DeleteDeploymentConfig;
use crate::api::codedeploy::shapes::{DeleteDeploymentConfigInput, DeleteDeploymentConfigOutput};
use crate::codedeploy::CodeDeploy;
use crate::codedeploy::store::{CONFIGS, GROUPS};

impl Handler<DeleteDeploymentConfig> for CodeDeploy {
    fn authorize(&self, ctx: &Context, input: &DeleteDeploymentConfigInput) -> Vec<Access> {
        on("DeleteDeploymentConfig", config_arn(ctx, &input.deployment_config_name))
    }

    async fn handle(
        &self,
        ctx: Context,
        input: DeleteDeploymentConfigInput,
    ) -> Result<DeleteDeploymentConfigOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let name = &input.deployment_config_name;
            if name.starts_with("CodeDeployDefault.") {
                return Err(ServiceError::new(
                    "InvalidOperationException",
                    format!("{name} is a default deployment configuration"),
                ));
            }
            let scope = (ctx.account().to_owned(), ctx.region().to_owned());
            let groups = GROUPS.scan(&tx, GROUPS.prefix(&scope), 10_000, false).await?;
            if groups.iter().any(|(_, row)| row.config == *name) {
                return Err(ServiceError::new(
                    "DeploymentConfigInUseException",
                    format!("The deployment configuration {name} is in use"),
                ));
            }
            CONFIGS.delete(&tx, &key(&ctx, name))?;
            Ok(DeleteDeploymentConfigOutput {})
        })
        .await
    }
}
