//! `ListDeploymentGroups`: the names of an application's groups.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{application, group_arn, key, on, page};
use crate::api::codedeploy::operations::ListDeploymentGroups;
use crate::api::codedeploy::shapes::{ListDeploymentGroupsInput, ListDeploymentGroupsOutput};
use crate::codedeploy::CodeDeploy;
use crate::codedeploy::store::GROUPS;

impl Handler<ListDeploymentGroups> for CodeDeploy {
    fn authorize(&self, ctx: &Context, input: &ListDeploymentGroupsInput) -> Vec<Access> {
        on("ListDeploymentGroups", group_arn(ctx, &input.application_name, "*"))
    }

    async fn handle(
        &self,
        ctx: Context,
        input: ListDeploymentGroupsInput,
    ) -> Result<ListDeploymentGroupsOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let name = &input.application_name;
            application(&tx, &ctx, name).await?;
            let range = GROUPS.prefix(&key(&ctx, name));
            let rows = GROUPS.scan(&tx, range, 10_000, false).await?;
            let names = rows.into_iter().map(|(key, _)| key.3).collect();
            let (names, next_token) = page(names, input.next_token.as_ref());
            Ok(ListDeploymentGroupsOutput {
                application_name: Some(name.clone()),
                deployment_groups: Some(names),
                next_token,
            })
        })
        .await
    }
}
