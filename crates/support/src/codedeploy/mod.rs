//! CodeDeploy for aliases of functions: applications, groups, configurations, and deployments that run on the
//! release engine. Servers and ECS are not here.
//!
//! Read first: `store.rs` (what is kept), `deploy.rs` (how a deployment runs), `resources.rs` (templates).

mod appspec;
mod config;
mod deploy;
mod error;
mod operations;
mod resources;
mod store;
mod update;

use std::sync::Arc;

use undercast_kernel::{Kernel, Service};

use crate::api::codedeploy::{SERVICE, operations as op};

/// The service. All its state is in the store.
#[derive(Debug)]
pub struct CodeDeploy;

pub(crate) fn service(kernel: &Kernel) -> Service {
    kernel.provide_released(Arc::new(deploy::Wake));
    let codedeploy = Arc::new(CodeDeploy);
    Service::new(&SERVICE)
        .route::<op::BatchGetDeployments>(&codedeploy)
        .route::<op::CreateApplication>(&codedeploy)
        .route::<op::CreateDeployment>(&codedeploy)
        .route::<op::CreateDeploymentConfig>(&codedeploy)
        .route::<op::CreateDeploymentGroup>(&codedeploy)
        .route::<op::DeleteApplication>(&codedeploy)
        .route::<op::DeleteDeploymentConfig>(&codedeploy)
        .route::<op::DeleteDeploymentGroup>(&codedeploy)
        .route::<op::GetApplication>(&codedeploy)
        .route::<op::GetDeployment>(&codedeploy)
        .route::<op::GetDeploymentConfig>(&codedeploy)
        .route::<op::GetDeploymentGroup>(&codedeploy)
        .route::<op::ListApplications>(&codedeploy)
        .route::<op::ListDeploymentConfigs>(&codedeploy)
        .route::<op::ListDeploymentGroups>(&codedeploy)
        .route::<op::ListDeployments>(&codedeploy)
        .route::<op::PutLifecycleEventHookExecutionStatus>(&codedeploy)
        .route::<op::StopDeployment>(&codedeploy)
        .route::<op::UpdateDeploymentGroup>(&codedeploy)
        .resource(resources::ApplicationType)
        .resource(resources::ConfigType)
        .resource(resources::GroupType)
        .alias_mover(update::Mover)
        .task(deploy::task())
        .list(resources::list)
        .refuse(error::refuse)
}
