//! `GetDeploymentConfig`: one way to shift traffic.

use undercast_kernel::{Access, Context, Handler, ServiceError};
use undercast_smithy::Timestamp;

use super::{PLATFORM, config_arn, key, on};
use crate::api::codedeploy::operations::GetDeploymentConfig;
use crate::api::codedeploy::shapes::{
    DeploymentConfigInfo, GetDeploymentConfigInput, GetDeploymentConfigOutput,
};
use crate::codedeploy::error::no_config;
use crate::codedeploy::store::{CONFIGS, ConfigRow};
use crate::codedeploy::{CodeDeploy, config};

impl Handler<GetDeploymentConfig> for CodeDeploy {
    fn authorize(&self, ctx: &Context, input: &GetDeploymentConfigInput) -> Vec<Access> {
        on("GetDeploymentConfig", config_arn(ctx, &input.deployment_config_name))
    }

    async fn handle(
        &self,
        ctx: Context,
        input: GetDeploymentConfigInput,
    ) -> Result<GetDeploymentConfigOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let name = &input.deployment_config_name;
            let row = match config::predefined(name) {
                Some(routing) => ConfigRow { id: name.clone(), routing, created_ms: 0 },
                None => {
                    let row = CONFIGS.get(&tx, &key(&ctx, name)).await?;
                    row.ok_or_else(|| no_config(name))?
                }
            };
            let info = DeploymentConfigInfo {
                deployment_config_id: Some(row.id),
                deployment_config_name: Some(name.clone()),
                create_time: Some(Timestamp::from_millis(row.created_ms)),
                compute_platform: Some(PLATFORM.to_owned()),
                traffic_routing_config: Some(row.routing.shown()),
                ..DeploymentConfigInfo::default()
            };
            Ok(GetDeploymentConfigOutput { deployment_config_info: Some(info) })
        })
        .await
    }
}
