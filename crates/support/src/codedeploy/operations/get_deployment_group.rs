//! `GetDeploymentGroup`: one group, and how its last deployments went.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{PLATFORM, group, group_arn, key, last, on, shown_alarms, shown_rollback, style};
use crate::api::codedeploy::operations::GetDeploymentGroup;
use crate::api::codedeploy::shapes::{
    DeploymentGroupInfo, GetDeploymentGroupInput, GetDeploymentGroupOutput,
};
use crate::codedeploy::CodeDeploy;
use crate::codedeploy::store::DEPLOYMENTS;

impl Handler<GetDeploymentGroup> for CodeDeploy {
    fn authorize(&self, ctx: &Context, input: &GetDeploymentGroupInput) -> Vec<Access> {
        let arn = group_arn(ctx, &input.application_name, &input.deployment_group_name);
        on("GetDeploymentGroup", arn)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: GetDeploymentGroupInput,
    ) -> Result<GetDeploymentGroupOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let (application, name) = (&input.application_name, &input.deployment_group_name);
            let row = group(&tx, &ctx, application, name).await?;
            let mut rows = Vec::new();
            for id in [&row.succeeded, &row.attempted] {
                rows.push(match id {
                    Some(id) => DEPLOYMENTS.get(&tx, &key(&ctx, id)).await?,
                    None => None,
                });
            }
            let (attempted, succeeded) = (rows.pop().flatten(), rows.pop().flatten());
            let info = DeploymentGroupInfo {
                application_name: Some(application.clone()),
                deployment_group_id: Some(row.id),
                deployment_group_name: Some(name.clone()),
                deployment_config_name: Some(row.config),
                service_role_arn: Some(row.role),
                target_revision: succeeded.as_ref().map(|row| row.revision.shown()),
                auto_rollback_configuration: row.rollback.as_ref().map(shown_rollback),
                alarm_configuration: Some(shown_alarms(&row.alarms)),
                deployment_style: Some(style()),
                last_successful_deployment: last(row.succeeded.as_ref(), succeeded.as_ref()),
                last_attempted_deployment: last(row.attempted.as_ref(), attempted.as_ref()),
                compute_platform: Some(PLATFORM.to_owned()),
                ..DeploymentGroupInfo::default()
            };
            Ok(GetDeploymentGroupOutput { deployment_group_info: Some(info) })
        })
        .await
    }
}
