//! One file for each operation; what several of them share is here.

mod batch_get_deployments;
mod create_application;
mod create_deployment;
mod create_deployment_config;
mod create_deployment_group;
mod delete_application;
mod delete_deployment_config;
mod delete_deployment_group;
mod get_application;
mod get_deployment;
mod get_deployment_config;
mod get_deployment_group;
mod list_applications;
mod list_deployment_configs;
mod list_deployment_groups;
mod list_deployments;
mod put_lifecycle_event_hook_execution_status;
mod stop_deployment;
mod update_deployment_group;

use sha2::{Digest, Sha256};
use undercast_kernel::{Access, Context, ServiceError};
use undercast_smithy::Timestamp;
use undercast_store::Tx;

pub(crate) use create_deployment::{
    NewDeployment, access as deployment_access, create, stop_access,
};

use super::appspec::AppSpec;
use super::config::{self, Routing};
use super::error::{invalid_revision, no_application, no_config, no_deployment, no_group};
use super::store::{
    APPLICATIONS, AlarmsRow, ApplicationRow, CONFIGS, DEPLOYMENTS, DeploymentRow, GROUPS, GroupKey,
    GroupRow, Key, RevisionRow, RollbackRow,
};
use crate::api::codedeploy::shapes;

pub(crate) const PLATFORM: &str = "Lambda";
const PAGE: usize = 100;
const ALARMS_MAX: usize = 10;
const ROLLBACK_EVENTS: &[&str] =
    &["DEPLOYMENT_FAILURE", "DEPLOYMENT_STOP_ON_ALARM", "DEPLOYMENT_STOP_ON_REQUEST"];

pub(crate) fn application_arn(ctx: &Context, name: &str) -> String {
    ctx.arn("codedeploy", format!("application:{name}"))
}

pub(crate) fn group_arn(ctx: &Context, application: &str, group: &str) -> String {
    ctx.arn("codedeploy", format!("deploymentgroup:{application}/{group}"))
}

pub(crate) fn config_arn(ctx: &Context, name: &str) -> String {
    ctx.arn("codedeploy", format!("deploymentconfig:{name}"))
}

fn on(operation: &str, arn: String) -> Vec<Access> {
    vec![Access::new(format!("codedeploy:{operation}"), arn)]
}

pub(crate) fn key(ctx: &Context, name: &str) -> Key {
    (ctx.account().to_owned(), ctx.region().to_owned(), name.to_owned())
}

pub(crate) fn group_key(ctx: &Context, application: &str, group: &str) -> GroupKey {
    let (account, region, application) = key(ctx, application);
    (account, region, application, group.to_owned())
}

async fn application(tx: &Tx, ctx: &Context, name: &str) -> Result<ApplicationRow, ServiceError> {
    APPLICATIONS.get(tx, &key(ctx, name)).await?.ok_or_else(|| no_application(name))
}

/// A group whose application is there.
async fn group(
    tx: &Tx,
    ctx: &Context,
    application_name: &str,
    name: &str,
) -> Result<GroupRow, ServiceError> {
    application(tx, ctx, application_name).await?;
    let row = GROUPS.get(tx, &group_key(ctx, application_name, name)).await?;
    row.ok_or_else(|| no_group(name))
}

async fn deployment(tx: &Tx, ctx: &Context, id: &str) -> Result<DeploymentRow, ServiceError> {
    check_id(id)?;
    DEPLOYMENTS.get(tx, &key(ctx, id)).await?.ok_or_else(|| no_deployment(id))
}

/// A deployment for a caller who may do this with its group.
async fn allowed(ctx: &Context, operation: &str, id: &str) -> Result<DeploymentRow, ServiceError> {
    check_id(id)?;
    let row = DEPLOYMENTS.read(ctx.store(), &key(ctx, id)).await?;
    let row = row.ok_or_else(|| no_deployment(id))?;
    let arn = group_arn(ctx, &row.application, &row.group);
    ctx.kernel().check(ctx, on(operation, arn)).await?;
    Ok(row)
}

fn check_id(id: &str) -> Result<(), ServiceError> {
    let is_id = id.strip_prefix("d-").is_some_and(|rest| {
        !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
    });
    match is_id {
        true => Ok(()),
        false => Err(ServiceError::new(
            "InvalidDeploymentIdException",
            format!("The deployment ID {id} is not valid"),
        )),
    }
}

/// How a configuration shifts traffic.
async fn routing(tx: &Tx, ctx: &Context, name: &str) -> Result<Routing, ServiceError> {
    if let Some(routing) = config::predefined(name) {
        return Ok(routing);
    }
    let row = CONFIGS.get(tx, &key(ctx, name)).await?;
    Ok(row.ok_or_else(|| no_config(name))?.routing)
}

fn rollback(
    config: Option<&shapes::AutoRollbackConfiguration>,
) -> Result<Option<RollbackRow>, ServiceError> {
    let Some(config) = config else { return Ok(None) };
    let enabled = config.enabled.unwrap_or(false);
    let events = config.events.clone().unwrap_or_default();
    let invalid = |message: &str| ServiceError::new("InvalidAutoRollbackConfigException", message);
    if let Some(event) = events.iter().find(|event| !ROLLBACK_EVENTS.contains(&event.as_str())) {
        return Err(invalid(&format!("{event} is not an event of automatic rollback")));
    }
    if enabled && events.is_empty() {
        return Err(invalid("An enabled automatic rollback has to list events"));
    }
    Ok(Some(RollbackRow { enabled, events }))
}

fn shown_rollback(row: &RollbackRow) -> shapes::AutoRollbackConfiguration {
    shapes::AutoRollbackConfiguration {
        enabled: Some(row.enabled),
        events: Some(row.events.clone()),
    }
}

fn alarms(config: Option<&shapes::AlarmConfiguration>) -> Result<AlarmsRow, ServiceError> {
    let Some(config) = config else { return Ok(AlarmsRow::default()) };
    let invalid = |message: &str| ServiceError::new("InvalidAlarmConfigException", message);
    let all = config.alarms.iter().flatten();
    let names: Vec<String> = all.filter_map(|alarm| alarm.name.clone()).collect();
    if names.len() > ALARMS_MAX {
        return Err(ServiceError::new(
            "AlarmsLimitExceededException",
            format!(
                "The maximum number of alarms for a deployment group ({ALARMS_MAX}) was exceeded."
            ),
        ));
    }
    if names.iter().any(|name| name.is_empty() || name.len() > 255) {
        return Err(invalid("The name of an alarm has 1 to 255 characters"));
    }
    if names.iter().enumerate().any(|(n, name)| names.iter().take(n).any(|other| other == name)) {
        return Err(invalid("The alarm configuration names an alarm twice"));
    }
    let enabled = config.enabled.unwrap_or(!names.is_empty());
    if enabled && names.is_empty() {
        return Err(invalid("An enabled alarm configuration has to name alarms"));
    }
    let ignores_failures = config.ignore_poll_alarm_failure.unwrap_or(false);
    Ok(AlarmsRow { enabled, ignores_failures, names })
}

fn shown_alarms(row: &AlarmsRow) -> shapes::AlarmConfiguration {
    let alarm = |name: &String| shapes::Alarm { name: Some(name.clone()) };
    shapes::AlarmConfiguration {
        enabled: Some(row.enabled),
        ignore_poll_alarm_failure: Some(row.ignores_failures),
        alarms: Some(row.names.iter().map(alarm).collect()),
    }
}

fn check_style(style: Option<&shapes::DeploymentStyle>) -> Result<(), ServiceError> {
    let Some(style) = style else { return Ok(()) };
    let kind = style.deployment_type.as_deref().unwrap_or("BLUE_GREEN");
    let option = style.deployment_option.as_deref().unwrap_or("WITH_TRAFFIC_CONTROL");
    match (kind, option) {
        ("BLUE_GREEN", "WITH_TRAFFIC_CONTROL") => Ok(()),
        _ => Err(ServiceError::new(
            "InvalidDeploymentStyleException",
            "The Lambda compute platform takes the deployment type BLUE_GREEN and the deployment option WITH_TRAFFIC_CONTROL only",
        )),
    }
}

fn style() -> shapes::DeploymentStyle {
    shapes::DeploymentStyle {
        deployment_type: Some("BLUE_GREEN".to_owned()),
        deployment_option: Some("WITH_TRAFFIC_CONTROL".to_owned()),
    }
}

fn tags(tags: Option<&Vec<shapes::Tag>>) -> std::collections::BTreeMap<String, String> {
    let pair = |tag: &shapes::Tag| Some((tag.key.clone()?, tag.value.clone().unwrap_or_default()));
    tags.into_iter().flatten().filter_map(pair).collect()
}

fn revision(location: Option<&shapes::RevisionLocation>) -> Result<RevisionRow, ServiceError> {
    let required =
        || ServiceError::new("RevisionRequiredException", "The revision ID was not specified.");
    let location = location.ok_or_else(required)?;
    let (kind, content, hash) = match (&location.app_spec_content, &location.string) {
        (Some(spec), None) => ("AppSpecContent", &spec.content, &spec.sha256),
        (None, Some(text)) => ("String", &text.content, &text.sha256),
        _ if location.s3_location.is_some() || location.git_hub_location.is_some() => {
            let kind = location.revision_type.as_deref().unwrap_or("S3");
            return Err(ServiceError::unsupported(format!("a CodeDeploy revision of type {kind}")));
        }
        _ => return Err(required()),
    };
    if location.revision_type.as_ref().is_some_and(|named| named != kind) {
        return Err(invalid_revision("The revision and its type do not agree"));
    }
    let content = content.clone().ok_or_else(required)?;
    let row = RevisionRow::new(kind, content);
    // A content that is not the one that was meant is not deployed.
    if hash.as_ref().is_some_and(|hash| !hash.eq_ignore_ascii_case(&row.sha256)) {
        return Err(invalid_revision("The SHA-256 hash is not that of the content"));
    }
    Ok(row)
}

impl RevisionRow {
    pub(crate) fn new(kind: &str, content: String) -> Self {
        let hash = Sha256::digest(content.as_bytes());
        let sha256 = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        Self { kind: kind.to_owned(), content, sha256 }
    }

    /// The AppSpec as a document.
    pub(crate) fn of(spec: &AppSpec) -> Self {
        let mut hooks = Vec::new();
        for (event, function) in
            [("BeforeAllowTraffic", &spec.before), ("AfterAllowTraffic", &spec.after)]
        {
            hooks.extend(function.as_ref().map(|function| serde_json::json!({event: function})));
        }
        let content = serde_json::json!({
            "version": 0.0,
            "Resources": [{&spec.function: {
                "Type": "AWS::Lambda::Function",
                "Properties": {
                    "Name": spec.function,
                    "Alias": spec.alias,
                    "CurrentVersion": spec.current,
                    "TargetVersion": spec.target,
                },
            }}],
            "Hooks": hooks,
        });
        Self::new("AppSpecContent", content.to_string())
    }

    fn shown(&self) -> shapes::RevisionLocation {
        let mut location = shapes::RevisionLocation {
            revision_type: Some(self.kind.clone()),
            ..shapes::RevisionLocation::default()
        };
        let (content, sha256) = (Some(self.content.clone()), Some(self.sha256.clone()));
        match self.kind.as_str() {
            "String" => location.string = Some(shapes::RawString { content, sha256 }),
            _ => location.app_spec_content = Some(shapes::AppSpecContent { content, sha256 }),
        }
        location
    }
}

fn shown_deployment(id: &str, row: &DeploymentRow) -> shapes::DeploymentInfo {
    let time = |ms: Option<i64>| ms.map(Timestamp::from_millis);
    let rollback_info = match (&row.undoes, &row.undone_by) {
        (None, None) => None,
        (undoes, undone_by) => Some(shapes::RollbackInfo {
            rollback_deployment_id: undone_by.clone(),
            rollback_triggering_deployment_id: undoes.clone(),
            rollback_message: undoes.as_ref().map(|id| format!("Rolls back deployment {id}")),
        }),
    };
    let error = row.error.clone().filter(|_| row.status.is_final());
    let error = error.map(|(code, message)| shapes::ErrorInformation {
        code: Some(code),
        message: Some(message),
    });
    shapes::DeploymentInfo {
        application_name: Some(row.application.clone()),
        deployment_group_name: Some(row.group.clone()),
        deployment_config_name: Some(row.config.clone()),
        deployment_id: Some(id.to_owned()),
        previous_revision: row.previous.as_ref().map(RevisionRow::shown),
        revision: Some(row.revision.shown()),
        status: Some(row.status.name().to_owned()),
        error_information: error,
        create_time: time(Some(row.created_ms)),
        start_time: time(row.started_ms),
        complete_time: time(row.completed_ms),
        description: row.description.clone(),
        creator: Some(row.creator.clone()),
        ignore_application_stop_failures: Some(false),
        auto_rollback_configuration: row.rollback.as_ref().map(shown_rollback),
        override_alarm_configuration: row.has_own_alarms.then(|| shown_alarms(&row.alarms)),
        update_outdated_instances_only: Some(false),
        rollback_info,
        deployment_style: Some(style()),
        instance_termination_wait_time_started: Some(false),
        compute_platform: Some(PLATFORM.to_owned()),
        ..shapes::DeploymentInfo::default()
    }
}

fn last(id: Option<&String>, row: Option<&DeploymentRow>) -> Option<shapes::LastDeploymentInfo> {
    let (id, row) = (id?, row?);
    Some(shapes::LastDeploymentInfo {
        deployment_id: Some(id.clone()),
        status: Some(row.status.name().to_owned()),
        end_time: row.completed_ms.map(Timestamp::from_millis),
        create_time: Some(Timestamp::from_millis(row.created_ms)),
    })
}

/// One page of names, and the one behind which the next begins.
fn page(names: Vec<String>, token: Option<&String>) -> (Vec<String>, Option<String>) {
    let mut names: Vec<String> = match token {
        Some(last) => names.into_iter().filter(|name| name > last).collect(),
        None => names,
    };
    let more = names.len() > PAGE;
    names.truncate(PAGE);
    let next = names.last().filter(|_| more).cloned();
    (names, next)
}

/// Who is active in an application or a group: it cannot be deleted meanwhile.
fn refuse_active(groups: &[(GroupKey, GroupRow)]) -> Result<(), ServiceError> {
    let active = groups.iter().find_map(|(key, row)| Some((&key.3, row.active.as_ref()?)));
    match active {
        None => Ok(()),
        Some((group, id)) => Err(ServiceError::new(
            "InvalidOperationException",
            format!("The deployment group {group} has an active deployment {id}"),
        )),
    }
}

/// What a group for functions cannot have.
fn refuse_foreign(present: &[(&str, bool)]) -> Result<(), ServiceError> {
    match present.iter().find(|(_, is_there)| *is_there) {
        None => Ok(()),
        Some((name, _)) => Err(ServiceError::unsupported(format!("{name} of a CodeDeploy group"))),
    }
}
