//! `UpdatePolicy: {CodeDeployLambdaAliasUpdate: …}` on an alias: a stack's update of the version is a deployment, and
//! the stack waits for it.

use futures::FutureExt;
use serde_json::{Value, json};
use undercast_kernel::{AliasMover, Context, ResourceRequest, ServiceError};

use super::appspec::AppSpec;
use super::deploy::unless;
use super::error::no_deployment;
use super::operations::{NewDeployment, create, deployment_access, key, stop_access};
use super::resources::{Future, call};
use super::store::{DEPLOYMENTS, DeploymentRow, GROUPS, Phase, RevisionRow, Status, TOKENS};

const POLICY: &str = "CodeDeployLambdaAliasUpdate";
const MEMBERS: &[&str] =
    &["AfterAllowTrafficHook", "ApplicationName", "BeforeAllowTrafficHook", "DeploymentGroupName"];

pub(crate) struct Mover;

impl AliasMover for Mover {
    fn is_wanted(&self, request: &ResourceRequest) -> bool {
        request.update_policy.get(POLICY).is_some()
    }

    fn advance(&self, ctx: Context, request: ResourceRequest) -> Future<()> {
        async move {
            let policy = request.update_policy.get(POLICY).cloned().unwrap_or_default();
            let invalid = |message: String| {
                ServiceError::new("ValidationError", format!("UpdatePolicy: {POLICY}: {message}"))
            };
            let unknown = policy.as_object().into_iter().flat_map(|map| map.keys());
            if let Some(member) = unknown.into_iter().find(|key| !MEMBERS.contains(&key.as_str())) {
                return Err(invalid(format!("there is no {member}")));
            }
            let text = |member: &str| {
                policy.get(member).and_then(Value::as_str).filter(|text| !text.is_empty())
            };
            let required = |member: &str| {
                text(member)
                    .map(str::to_owned)
                    .ok_or_else(|| invalid(format!("{member} is required")))
            };
            let (application, group) =
                (required("ApplicationName")?, required("DeploymentGroupName")?);
            let (function, alias) = target(&request);
            let input = json!({"FunctionName": function, "Name": alias});
            let found = ctx.kernel().call(&ctx, "lambda", "GetAlias", &input).await?;
            let current = found.get("FunctionVersion").and_then(Value::as_str).unwrap_or_default();
            let version = plain(request.properties.get("FunctionVersion"));
            let spec = AppSpec {
                function,
                alias,
                current: current.to_owned(),
                target: version.rsplit(':').next().unwrap_or_default().to_owned(),
                before: text("BeforeAllowTrafficHook").map(str::to_owned),
                after: text("AfterAllowTrafficHook").map(str::to_owned),
            };
            let token = format!("{}/{}", request.operation, request.logical_id);
            let known = TOKENS.read(ctx.store(), &key(&ctx, &token)).await?;
            let id = match known {
                Some(id) => id,
                None if spec.current == spec.target => return Ok(()),
                None => {
                    let access = deployment_access(&ctx, &application, &group);
                    ctx.kernel().check(&ctx, access).await?;
                    let new = NewDeployment {
                        revision: RevisionRow::of(&spec),
                        application,
                        group,
                        config: None,
                        spec,
                        description: None,
                        rollback: None,
                        alarms: None,
                        creator: "CloudFormation",
                        token: Some(token),
                    };
                    create(&ctx, new).await?
                }
            };
            let row = wait(&ctx, &id).await?;
            if row.status == Status::Succeeded {
                return Ok(());
            }
            let (code, why) = row.error.unwrap_or_default();
            let message = format!("The CodeDeploy deployment {id} failed: {why} ({code})");
            Err(ServiceError::new("DeploymentFailed", message))
        }
        .boxed()
    }

    /// What is under way for the alias goes back.
    fn end(&self, ctx: Context, request: ResourceRequest) -> Future<()> {
        async move {
            let (function, alias) = target(&request);
            for id in active(&ctx).await? {
                let row = DEPLOYMENTS.read(ctx.store(), &key(&ctx, &id)).await?;
                let is_ours =
                    |row: &DeploymentRow| row.spec.function == function && row.spec.alias == alias;
                let Some(row) = row.filter(is_ours) else { continue };
                if row.undoes.is_none() {
                    let access = stop_access(&ctx, &row.application, &row.group);
                    ctx.kernel().check(&ctx, access).await?;
                    let input = json!({"deploymentId": id, "autoRollbackEnabled": true});
                    let over = &["DeploymentAlreadyCompletedException"];
                    let stopped = call(&ctx, "StopDeployment", input).await;
                    stopped.map(drop).or_else(unless(over))?;
                }
                wait(&ctx, &id).await?;
            }
            Ok(())
        }
        .boxed()
    }
}

/// Function, without an ARN, and alias.
fn target(request: &ResourceRequest) -> (String, String) {
    let function = plain(request.properties.get("FunctionName"));
    let function = match function.starts_with("arn:") {
        true => function.split(':').nth(6).unwrap_or_default().to_owned(),
        false => function,
    };
    (function, plain(request.properties.get("Name")))
}

fn plain(value: Option<&Value>) -> String {
    match value {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    }
}

/// What is under way in any group.
async fn active(ctx: &Context) -> Result<Vec<String>, ServiceError> {
    let scope = (ctx.account().to_owned(), ctx.region().to_owned());
    let groups = GROUPS.list(ctx.store(), GROUPS.prefix(&scope), 10_000, false).await?;
    Ok(groups.into_iter().filter_map(|(_, row)| row.active).collect())
}

/// Waits until nothing is left to do for a deployment and for the one that took it back.
async fn wait(ctx: &Context, id: &str) -> Result<DeploymentRow, ServiceError> {
    let row = wait_for(ctx, id).await?;
    if let Some(undo) = &row.undone_by {
        wait_for(ctx, undo).await?;
    }
    Ok(row)
}

async fn wait_for(ctx: &Context, id: &str) -> Result<DeploymentRow, ServiceError> {
    let key = key(ctx, id);
    let mut watch = DEPLOYMENTS.watch(ctx.store(), &key);
    loop {
        let row = DEPLOYMENTS.read(ctx.store(), &key).await?.ok_or_else(|| no_deployment(id))?;
        if row.phase == Phase::Over {
            return Ok(row);
        }
        watch.changed().await;
    }
}
