//! API Gateway: HTTP APIs in front of functions, other servers and services.
//!
//! The parts of an API (routes, integrations, stages, deployments) are documents ([`store`]); a stage
//! is compiled from them when the first request after a change comes (`engine/compiled.rs`), and
//! served by `door/`. An OpenAPI document becomes such parts in `engine/openapi.rs`.
//!
//! REST and WebSocket APIs are not here yet; what asks for them is answered with an error that names it.

pub mod api;
mod cors;
mod door;
mod engine;
mod error;
mod limits;
mod operations;
mod resources;
mod store;

use std::sync::Arc;

use undercast_kernel::{Context, Kernel, Lane, Service, ServiceError};
use undercast_smithy::validate::message;

use api::apigatewayv2::operations as op;
use door::domains::Domains;

/// The service. Its state is in the store; compiled stages are a cache.
#[derive(Debug)]
pub struct ApiGateway {
    domains: Arc<Domains>,
}

impl ApiGateway {
    /// The front door hears of hosts that are taken or given up before the caller does.
    async fn hosts_changed(&self, ctx: &Context) -> Result<(), ServiceError> {
        match ctx.lane() {
            Lane::Live => self.domains.reload(ctx.kernel()).await,
            Lane::Dark(_) => Ok(()),
        }
    }
}

/// The routing table.
pub fn service(_: &Kernel) -> Service {
    let domains = Arc::new(Domains::default());
    let gateway = Arc::new(ApiGateway { domains: Arc::clone(&domains) });
    let service = Service::new(&api::apigatewayv2::SERVICE)
        .route::<op::CreateApi>(&gateway)
        .route::<op::CreateApiMapping>(&gateway)
        .route::<op::CreateAuthorizer>(&gateway)
        .route::<op::CreateDeployment>(&gateway)
        .route::<op::CreateDomainName>(&gateway)
        .route::<op::CreateIntegration>(&gateway)
        .route::<op::CreateRoute>(&gateway)
        .route::<op::CreateStage>(&gateway)
        .route::<op::CreateVpcLink>(&gateway)
        .route::<op::DeleteAccessLogSettings>(&gateway)
        .route::<op::DeleteApi>(&gateway)
        .route::<op::DeleteApiMapping>(&gateway)
        .route::<op::DeleteAuthorizer>(&gateway)
        .route::<op::DeleteCorsConfiguration>(&gateway)
        .route::<op::DeleteDeployment>(&gateway)
        .route::<op::DeleteDomainName>(&gateway)
        .route::<op::DeleteIntegration>(&gateway)
        .route::<op::DeleteRoute>(&gateway)
        .route::<op::DeleteRouteRequestParameter>(&gateway)
        .route::<op::DeleteRouteSettings>(&gateway)
        .route::<op::DeleteStage>(&gateway)
        .route::<op::DeleteVpcLink>(&gateway)
        .route::<op::ExportApi>(&gateway)
        .route::<op::GetApi>(&gateway)
        .route::<op::GetApiMapping>(&gateway)
        .route::<op::GetApiMappings>(&gateway)
        .route::<op::GetApis>(&gateway)
        .route::<op::GetAuthorizer>(&gateway)
        .route::<op::GetAuthorizers>(&gateway)
        .route::<op::GetDeployment>(&gateway)
        .route::<op::GetDeployments>(&gateway)
        .route::<op::GetDomainName>(&gateway)
        .route::<op::GetDomainNames>(&gateway)
        .route::<op::GetIntegration>(&gateway)
        .route::<op::GetIntegrations>(&gateway)
        .route::<op::GetRoute>(&gateway)
        .route::<op::GetRoutes>(&gateway)
        .route::<op::GetStage>(&gateway)
        .route::<op::GetStages>(&gateway)
        .route::<op::GetTags>(&gateway)
        .route::<op::GetVpcLink>(&gateway)
        .route::<op::GetVpcLinks>(&gateway)
        .route::<op::ImportApi>(&gateway)
        .route::<op::ReimportApi>(&gateway)
        .route::<op::ResetAuthorizersCache>(&gateway)
        .route::<op::TagResource>(&gateway)
        .route::<op::UntagResource>(&gateway)
        .route::<op::UpdateApi>(&gateway)
        .route::<op::UpdateApiMapping>(&gateway)
        .route::<op::UpdateAuthorizer>(&gateway)
        .route::<op::UpdateDeployment>(&gateway)
        .route::<op::UpdateDomainName>(&gateway)
        .route::<op::UpdateIntegration>(&gateway)
        .route::<op::UpdateRoute>(&gateway)
        .route::<op::UpdateStage>(&gateway)
        .route::<op::UpdateVpcLink>(&gateway)
        .endpoint(Arc::new(door::FrontDoor::new(Arc::clone(&domains))))
        .start(move |kernel| {
            let domains = Arc::clone(&domains);
            async move { domains.start(&kernel).await }
        })
        .list(resources::list)
        .refuse(|violations| error::bad(message(violations)));
    resources::TYPES.iter().fold(service, Service::resource)
}
