//! `DeleteDeploymentGroup`: deletes a group; one that is gone is deleted, too.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{group_arn, group_key, on, refuse_active};
use crate::api::codedeploy::operations::DeleteDeploymentGroup;
use crate::api::codedeploy::shapes::{DeleteDeploymentGroupInput, DeleteDeploymentGroupOutput};
use crate::codedeploy::CodeDeploy;
use crate::codedeploy::store::GROUPS;

impl Handler<DeleteDeploymentGroup> for CodeDeploy {
    fn authorize(&self, ctx: &Context, input: &DeleteDeploymentGroupInput) -> Vec<Access> {
        let arn = group_arn(ctx, &input.application_name, &input.deployment_group_name);
        on("DeleteDeploymentGroup", arn)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: DeleteDeploymentGroupInput,
    ) -> Result<DeleteDeploymentGroupOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let key = group_key(&ctx, &input.application_name, &input.deployment_group_name);
            if let Some(row) = GROUPS.get(&tx, &key).await? {
                refuse_active(&[(key.clone(), row)])?;
            }
            GROUPS.delete(&tx, &key)?;
            Ok(DeleteDeploymentGroupOutput { hooks_not_cleaned_up: Some(Vec::new()) })
        })
        .await
    }
}
