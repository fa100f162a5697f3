//! `UpdateDeploymentGroup`: changes what is given, and the name.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{
    alarms, check_style, group, group_arn, group_key, on, refuse_foreign, rollback, routing,
};
use crate::api::codedeploy::operations::UpdateDeploymentGroup;
use crate::api::codedeploy::shapes::{UpdateDeploymentGroupInput, UpdateDeploymentGroupOutput};
use crate::codedeploy::CodeDeploy;
use crate::codedeploy::store::GROUPS;

impl Handler<UpdateDeploymentGroup> for CodeDeploy {
    fn authorize(&self, ctx: &Context, input: &UpdateDeploymentGroupInput) -> Vec<Access> {
        let arn = group_arn(ctx, &input.application_name, &input.current_deployment_group_name);
        let mut accesses = on("UpdateDeploymentGroup", arn);
        let role = input.service_role_arn.as_ref();
        accesses.extend(role.map(|role| Access::new("iam:PassRole", role)));
        accesses
    }

    async fn handle(
        &self,
        ctx: Context,
        input: UpdateDeploymentGroupInput,
    ) -> Result<UpdateDeploymentGroupOutput, ServiceError> {
        check_style(input.deployment_style.as_ref())?;
        let has_triggers = input.trigger_configurations.as_ref().is_some_and(|all| !all.is_empty());
        refuse_foreign(&[
            ("triggerConfigurations", has_triggers),
            ("loadBalancerInfo", input.load_balancer_info.is_some()),
            ("ec2TagSet", input.ec2_tag_set.is_some()),
            ("onPremisesTagSet", input.on_premises_tag_set.is_some()),
        ])?;
        ctx.transact(input, |tx, ctx, input| async move {
            let (application, name) =
                (&input.application_name, &input.current_deployment_group_name);
            let mut row = group(&tx, &ctx, application, name).await?;
            if let Some(config) = &input.deployment_config_name {
                routing(&tx, &ctx, config).await?;
                row.config.clone_from(config);
            }
            if let Some(role) = &input.service_role_arn {
                row.role.clone_from(role);
            }
            if input.alarm_configuration.is_some() {
                row.alarms = alarms(input.alarm_configuration.as_ref())?;
            }
            if input.auto_rollback_configuration.is_some() {
                row.rollback = rollback(input.auto_rollback_configuration.as_ref())?;
            }
            let old = group_key(&ctx, application, name);
            let mut key = old.clone();
            if let Some(new) = input.new_deployment_group_name.as_ref().filter(|new| *new != name) {
                key.3.clone_from(new);
                if row.active.is_some() {
                    return Err(ServiceError::new(
                        "InvalidInputException",
                        format!("The deployment group {name} has an active deployment"),
                    ));
                }
                if GROUPS.get(&tx, &key).await?.is_some() {
                    let message = format!("Deployment group already exists: {new}");
                    return Err(ServiceError::new(
                        "DeploymentGroupAlreadyExistsException",
                        message,
                    ));
                }
                GROUPS.delete(&tx, &old)?;
            }
            GROUPS.put(&tx, &key, &row)?;
            Ok(UpdateDeploymentGroupOutput { hooks_not_cleaned_up: Some(Vec::new()) })
        })
        .await
    }
}
