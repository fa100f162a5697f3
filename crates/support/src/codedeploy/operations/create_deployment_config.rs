//! `CreateDeploymentConfig`: a way to shift traffic.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{PLATFORM, config_arn, key, on};
use crate::api::codedeploy::operations::CreateDeploymentConfig;
use crate::api::codedeploy::shapes::{CreateDeploymentConfigInput, CreateDeploymentConfigOutput};
use crate::codedeploy::CodeDeploy;
use crate::codedeploy::config::Routing;
use crate::codedeploy::store::{CONFIGS, ConfigRow};

impl Handler<CreateDeploymentConfig> for CodeDeploy {
    fn authorize(&self, ctx: &Context, input: &CreateDeploymentConfigInput) -> Vec<Access> {
        on("CreateDeploymentConfig", config_arn(ctx, &input.deployment_config_name))
    }

    async fn handle(
        &self,
        ctx: Context,
        input: CreateDeploymentConfigInput,
    ) -> Result<CreateDeploymentConfigOutput, ServiceError> {
        let platform = input.compute_platform.as_deref().unwrap_or("Server");
        if platform != PLATFORM {
            let what = format!("CodeDeploy for the compute platform {platform}");
            return Err(ServiceError::unsupported(what));
        }
        if input.minimum_healthy_hosts.is_some() || input.zonal_config.is_some() {
            return Err(ServiceError::new(
                "InvalidMinimumHealthyHostValueException",
                "The Lambda compute platform has no hosts",
            ));
        }
        let name = &input.deployment_config_name;
        if name.starts_with("CodeDeployDefault.") {
            return Err(ServiceError::new(
                "InvalidDeploymentConfigNameException",
                "The prefix CodeDeployDefault. is reserved",
            ));
        }
        let routing = Routing::read(input.traffic_routing_config.as_ref())?;
        ctx.transact((input, routing), |tx, ctx, input| async move {
            let (input, routing) = &*input;
            let name = &input.deployment_config_name;
            if CONFIGS.get(&tx, &key(&ctx, name)).await?.is_some() {
                let message = format!("Deployment Configuration already exists: {name}");
                return Err(ServiceError::new("DeploymentConfigAlreadyExistsException", message));
            }
            let row = ConfigRow { id: tx.ids().uuid(), routing: *routing, created_ms: tx.now_ms() };
            CONFIGS.put(&tx, &key(&ctx, name), &row)?;
            Ok(CreateDeploymentConfigOutput { deployment_config_id: Some(row.id) })
        })
        .await
    }
}
