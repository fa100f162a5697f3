//! API Gateway: HTTP APIs in front of functions.
//!
//! The parts of an API (routes, integrations, stages, deployments) are documents ([`store`]); a stage
//! is compiled from them when the first request after a change comes (`engine/compiled.rs`), and
//! served by `http_endpoint.rs`. An OpenAPI document becomes such parts in `engine/openapi.rs`.
//!
//! REST and WebSocket APIs, authorizers, HTTP and service integrations, mappings, domain names and
//! access logs are not here yet; what asks for them is answered with an error that names it.

pub mod api;
mod cors;
mod engine;
mod error;
mod http_endpoint;
mod operations;
mod resources;
mod store;

use std::sync::Arc;

use undercast_kernel::{Kernel, Service};
use undercast_smithy::validate::message;

use api::apigatewayv2::operations as op;

/// The service. Its state is in the store; compiled stages are a cache.
#[derive(Debug)]
pub struct ApiGateway;

/// The routing table.
pub fn service(_: &Kernel) -> Service {
    let gateway = Arc::new(ApiGateway);
    let service = Service::new(&api::apigatewayv2::SERVICE)
        .route::<op::CreateApi>(&gateway)
        .route::<op::CreateDeployment>(&gateway)
        .route::<op::CreateIntegration>(&gateway)
        .route::<op::CreateRoute>(&gateway)
        .route::<op::CreateStage>(&gateway)
        .route::<op::DeleteApi>(&gateway)
        .route::<op::DeleteCorsConfiguration>(&gateway)
        .route::<op::DeleteDeployment>(&gateway)
        .route::<op::DeleteIntegration>(&gateway)
        .route::<op::DeleteRoute>(&gateway)
        .route::<op::DeleteStage>(&gateway)
        .route::<op::GetApi>(&gateway)
        .route::<op::GetApis>(&gateway)
        .route::<op::GetDeployment>(&gateway)
        .route::<op::GetDeployments>(&gateway)
        .route::<op::GetIntegration>(&gateway)
        .route::<op::GetIntegrations>(&gateway)
        .route::<op::GetRoute>(&gateway)
        .route::<op::GetRoutes>(&gateway)
        .route::<op::GetStage>(&gateway)
        .route::<op::GetStages>(&gateway)
        .route::<op::GetTags>(&gateway)
        .route::<op::ImportApi>(&gateway)
        .route::<op::ReimportApi>(&gateway)
        .route::<op::TagResource>(&gateway)
        .route::<op::UntagResource>(&gateway)
        .route::<op::UpdateApi>(&gateway)
        .route::<op::UpdateIntegration>(&gateway)
        .route::<op::UpdateRoute>(&gateway)
        .route::<op::UpdateStage>(&gateway)
        .endpoint(Arc::new(http_endpoint::FrontDoor::default()))
        .list(resources::list)
        .refuse(|violations| error::bad(message(violations)));
    resources::TYPES.iter().fold(service, Service::resource)
}
