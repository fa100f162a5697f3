//! `ListDeployments`: the ids of deployments, newest first.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{PAGE, application, group, group_arn, on};
use crate::api::codedeploy::operations::ListDeployments;
use crate::api::codedeploy::shapes::{ListDeploymentsInput, ListDeploymentsOutput};
use crate::codedeploy::CodeDeploy;
use crate::codedeploy::store::{DEPLOYMENTS, DeploymentRow};

fn fits(input: &ListDeploymentsInput, row: &DeploymentRow) -> bool {
    let is = |wanted: &Option<String>, value: &String| wanted.as_ref().is_none_or(|w| w == value);
    let statuses = input.include_only_statuses.as_ref().filter(|all| !all.is_empty());
    let range = input.create_time_range.as_ref();
    let start = range.and_then(|range| range.start).map(|time| time.millis());
    let end = range.and_then(|range| range.end).map(|time| time.millis());
    is(&input.application_name, &row.application)
        && is(&input.deployment_group_name, &row.group)
        && statuses.is_none_or(|all| all.iter().any(|status| status == row.status.name()))
        && start.is_none_or(|start| row.created_ms >= start)
        && end.is_none_or(|end| row.created_ms <= end)
}

impl Handler<ListDeployments> for CodeDeploy {
    fn authorize(&self, ctx: &Context, input: &ListDeploymentsInput) -> Vec<Access> {
        let application = input.application_name.as_deref().unwrap_or("*");
        let group = input.deployment_group_name.as_deref().unwrap_or("*");
        on("ListDeployments", group_arn(ctx, application, group))
    }

    async fn handle(
        &self,
        ctx: Context,
        input: ListDeploymentsInput,
    ) -> Result<ListDeploymentsOutput, ServiceError> {
        let missing = match (&input.application_name, &input.deployment_group_name) {
            (Some(_), None) => Some(("DeploymentGroupNameRequiredException", "group")),
            (None, Some(_)) => Some(("ApplicationNameRequiredException", "application")),
            _ => None,
        };
        if let Some((code, what)) = missing {
            let message = format!("The {what} name was not specified.");
            return Err(ServiceError::new(code, message));
        }
        ctx.transact(input, |tx, ctx, input| async move {
            if let (Some(name), Some(of)) = (&input.application_name, &input.deployment_group_name)
            {
                application(&tx, &ctx, name).await?;
                group(&tx, &ctx, name, of).await?;
            }
            let scope = (ctx.account().to_owned(), ctx.region().to_owned());
            let rows = DEPLOYMENTS.scan(&tx, DEPLOYMENTS.prefix(&scope), 10_000, false).await?;
            let fitting = rows.into_iter().filter(|(_, row)| fits(&input, row));
            let mut ids: Vec<_> = fitting.map(|(key, row)| (row.created_ms, key.2)).collect();
            ids.sort();
            ids.reverse();
            let skip = match &input.next_token {
                None => 0,
                Some(token) => token.parse::<usize>().map_err(|_| {
                    ServiceError::new("InvalidNextTokenException", "The next token is not valid")
                })?,
            };
            let next_token = (ids.len() > skip + PAGE).then(|| (skip + PAGE).to_string());
            let ids = ids.into_iter().skip(skip).take(PAGE).map(|(_, id)| id).collect();
            Ok(ListDeploymentsOutput { deployments: Some(ids), next_token })
        })
        .await
    }
}
