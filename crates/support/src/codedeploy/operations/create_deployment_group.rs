//! `CreateDeploymentGroup`: how deployments of an application go.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{
    alarms, application, check_style, group_arn, group_key, on, refuse_foreign, rollback, routing,
    tags,
};
use crate::api::codedeploy::operations::CreateDeploymentGroup;
use crate::api::codedeploy::shapes::{CreateDeploymentGroupInput, CreateDeploymentGroupOutput};
use crate::codedeploy::store::{GROUPS, GroupRow};
use crate::codedeploy::{CodeDeploy, config};

fn some<T>(list: Option<&Vec<T>>) -> bool {
    list.is_some_and(|list| !list.is_empty())
}

impl Handler<CreateDeploymentGroup> for CodeDeploy {
    fn authorize(&self, ctx: &Context, input: &CreateDeploymentGroupInput) -> Vec<Access> {
        let arn = group_arn(ctx, &input.application_name, &input.deployment_group_name);
        let mut accesses = on("CreateDeploymentGroup", arn);
        accesses.push(Access::new("iam:PassRole", &input.service_role_arn));
        accesses
    }

    async fn handle(
        &self,
        ctx: Context,
        input: CreateDeploymentGroupInput,
    ) -> Result<CreateDeploymentGroupOutput, ServiceError> {
        let alarms = alarms(input.alarm_configuration.as_ref())?;
        check_style(input.deployment_style.as_ref())?;
        refuse_foreign(&[
            ("triggerConfigurations", some(input.trigger_configurations.as_ref())),
            ("ec2TagFilters", some(input.ec2_tag_filters.as_ref())),
            ("onPremisesInstanceTagFilters", some(input.on_premises_instance_tag_filters.as_ref())),
            ("autoScalingGroups", some(input.auto_scaling_groups.as_ref())),
            ("ecsServices", some(input.ecs_services.as_ref())),
            ("loadBalancerInfo", input.load_balancer_info.is_some()),
            ("ec2TagSet", input.ec2_tag_set.is_some()),
            ("onPremisesTagSet", input.on_premises_tag_set.is_some()),
        ])?;
        ctx.transact((input, alarms), |tx, ctx, given| async move {
            let (input, alarms) = &*given;
            application(&tx, &ctx, &input.application_name).await?;
            let name = &input.deployment_group_name;
            let key = group_key(&ctx, &input.application_name, name);
            if GROUPS.get(&tx, &key).await?.is_some() {
                let message = format!("Deployment group already exists: {name}");
                return Err(ServiceError::new("DeploymentGroupAlreadyExistsException", message));
            }
            let config = input.deployment_config_name.as_deref().unwrap_or(config::DEFAULT);
            routing(&tx, &ctx, config).await?;
            let row = GroupRow {
                id: tx.ids().uuid(),
                config: config.to_owned(),
                role: input.service_role_arn.clone(),
                rollback: rollback(input.auto_rollback_configuration.as_ref())?,
                alarms: alarms.clone(),
                tags: tags(input.tags.as_ref()),
                active: None,
                attempted: None,
                succeeded: None,
            };
            GROUPS.put(&tx, &key, &row)?;
            Ok(CreateDeploymentGroupOutput { deployment_group_id: Some(row.id) })
        })
        .await
    }
}
