//! `ListDeploymentConfigs`: the names of AWS's configurations for functions and of one's own.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{config_arn, on, page};
use crate::api::codedeploy::operations::ListDeploymentConfigs;
use crate::api::codedeploy::shapes::{ListDeploymentConfigsInput, ListDeploymentConfigsOutput};
use crate::codedeploy::store::CONFIGS;
use crate::codedeploy::{CodeDeploy, config};

impl Handler<ListDeploymentConfigs> for CodeDeploy {
    fn authorize(&self, ctx: &Context, _: &ListDeploymentConfigsInput) -> Vec<Access> {
        on("ListDeploymentConfigs", config_arn(ctx, "*"))
    }

    async fn handle(
        &self,
        ctx: Context,
        input: ListDeploymentConfigsInput,
    ) -> Result<ListDeploymentConfigsOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let scope = (ctx.account().to_owned(), ctx.region().to_owned());
            let rows = CONFIGS.scan(&tx, CONFIGS.prefix(&scope), 10_000, false).await?;
            let own = rows.into_iter().map(|(key, _)| key.2);
            let mut names: Vec<String> = config::predefined_names().chain(own).collect();
            names.sort();
            let (names, next_token) = page(names, input.next_token.as_ref());
            Ok(ListDeploymentConfigsOutput { deployment_configs_list: Some(names), next_token })
        })
        .await
    }
}
