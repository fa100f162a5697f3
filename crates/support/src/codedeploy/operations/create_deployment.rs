//! `CreateDeployment`: shifts the traffic of an alias to another version.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{alarms, group, group_arn, group_key, key, on, revision, rollback, routing};
use crate::api::codedeploy::operations::CreateDeployment;
use crate::api::codedeploy::shapes::{
    AlarmConfiguration, CreateDeploymentInput, CreateDeploymentOutput,
};
use crate::codedeploy::appspec::AppSpec;
use crate::codedeploy::store::{
    AlarmsRow, DEPLOYMENTS, DeploymentRow, GROUPS, Phase, RevisionRow, RollbackRow, Status, TOKENS,
};
use crate::codedeploy::{CodeDeploy, deploy};

/// A deployment before it has an id.
#[derive(Debug, Clone)]
pub(crate) struct NewDeployment {
    pub(crate) application: String,
    pub(crate) group: String,
    pub(crate) config: Option<String>,
    pub(crate) spec: AppSpec,
    pub(crate) revision: RevisionRow,
    pub(crate) description: Option<String>,
    pub(crate) rollback: Option<RollbackRow>,
    pub(crate) creator: &'static str,
    /// In place of the group's.
    pub(crate) alarms: Option<AlarmsRow>,
    /// Who comes again with the same one gets the same deployment.
    pub(crate) token: Option<String>,
}

pub(crate) fn access(ctx: &Context, application: &str, group: &str) -> Vec<Access> {
    on("CreateDeployment", group_arn(ctx, application, group))
}

pub(crate) fn stop_access(ctx: &Context, application: &str, group: &str) -> Vec<Access> {
    on("StopDeployment", group_arn(ctx, application, group))
}

/// Makes the deployment and starts it; answers its id.
pub(crate) async fn create(ctx: &Context, new: NewDeployment) -> Result<String, ServiceError> {
    ctx.transact(new, |tx, ctx, new| async move {
        if let Some(token) = &new.token
            && let Some(id) = TOKENS.get(&tx, &key(&ctx, token)).await?
        {
            return Ok(id);
        }
        let mut group = group(&tx, &ctx, &new.application, &new.group).await?;
        if let Some(active) = &group.active {
            return Err(ServiceError::new(
                "DeploymentLimitExceededException",
                format!(
                    "The Deployment Group '{}' already has an active Deployment '{active}'",
                    new.group
                ),
            ));
        }
        let config = new.config.clone().unwrap_or_else(|| group.config.clone());
        let previous = match &group.succeeded {
            Some(id) => DEPLOYMENTS.get(&tx, &key(&ctx, id)).await?.map(|row| row.revision),
            None => None,
        };
        let row = DeploymentRow {
            routing: routing(&tx, &ctx, &config).await?,
            application: new.application.clone(),
            group: new.group.clone(),
            config,
            spec: new.spec.clone(),
            revision: new.revision.clone(),
            previous,
            status: Status::Created,
            phase: Phase::Check,
            outcome: None,
            goes_back: false,
            hook: None,
            hooks_done: Vec::new(),
            error: None,
            description: new.description.clone(),
            creator: new.creator.to_owned(),
            rollback: new.rollback.clone().or_else(|| group.rollback.clone()),
            alarms: new.alarms.clone().unwrap_or_else(|| group.alarms.clone()),
            has_own_alarms: new.alarms.is_some(),
            role: group.role.clone(),
            undoes: None,
            undone_by: None,
            created_ms: tx.now_ms(),
            started_ms: None,
            completed_ms: None,
        };
        let id = deploy::new_id(&tx);
        group.active = Some(id.clone());
        group.attempted = Some(id.clone());
        GROUPS.put(&tx, &group_key(&ctx, &new.application, &new.group), &group)?;
        DEPLOYMENTS.put(&tx, &key(&ctx, &id), &row)?;
        if let Some(token) = &new.token {
            TOKENS.put(&tx, &key(&ctx, token), &id)?;
        }
        deploy::wake(&tx, &key(&ctx, &id))?;
        Ok(id)
    })
    .await
}

fn own_alarms(config: Option<&AlarmConfiguration>) -> Result<Option<AlarmsRow>, ServiceError> {
    config.map(|config| alarms(Some(config))).transpose()
}

impl Handler<CreateDeployment> for CodeDeploy {
    fn authorize(&self, ctx: &Context, input: &CreateDeploymentInput) -> Vec<Access> {
        let group = input.deployment_group_name.as_deref().unwrap_or("*");
        access(ctx, &input.application_name, group)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: CreateDeploymentInput,
    ) -> Result<CreateDeploymentOutput, ServiceError> {
        if input.target_instances.is_some() {
            return Err(ServiceError::new(
                "InvalidTargetInstancesException",
                "The Lambda compute platform has no instances",
            ));
        }
        let Some(group) = input.deployment_group_name else {
            return Err(ServiceError::new(
                "DeploymentGroupNameRequiredException",
                "The deployment group name was not specified.",
            ));
        };
        let revision = revision(input.revision.as_ref())?;
        let new = NewDeployment {
            application: input.application_name,
            group,
            config: input.deployment_config_name,
            spec: AppSpec::read(&revision.content)?,
            revision,
            description: input.description,
            rollback: rollback(input.auto_rollback_configuration.as_ref())?,
            alarms: own_alarms(input.override_alarm_configuration.as_ref())?,
            creator: "user",
            token: None,
        };
        Ok(CreateDeploymentOutput { deployment_id: Some(create(&ctx, new).await?) })
    }
}
