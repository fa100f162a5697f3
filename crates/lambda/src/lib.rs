//! Lambda: functions, their versions and aliases, invocations of every kind, event source mappings.
//!
//! Owns what a function *is*. How one runs as a process is the sandbox's; queues, logs, buckets and roles
//! are reached through the kernel, by name. All state is in the store; what is kept in memory (functions
//! made ready, counts of what runs, pollers) is made again after a restart.
//!
//! Read first: `store.rs`, `name.rs`, `functions/mod.rs` (the path of an invocation), then
//! `asynchronous/mod.rs` (events that wait, retries, destinations), `mappings/mod.rs` (pollers) and
//! `urls/door.rs` (function URLs).
//!
//! Not here yet: container images, provisioned concurrency, sources other than queues and streams of tables. They
//! answer errors that name them.

#[allow(clippy::single_match, reason = "generated")]
pub mod api;
mod asynchronous;
mod code;
mod describe;
mod door;
mod error;
mod functions;
mod layers;
mod limits;
mod mappings;
mod name;
mod operations;
mod port;
mod resources;
mod settings;
mod store;
mod urls;

use std::path::PathBuf;
use std::sync::Arc;

use undercast_kernel::{Context, Kernel, Lane, Service};
use undercast_sandbox::Sandbox;

use api::lambda::operations as op;
use functions::Functions;
use mappings::Mappings;
use name::LATEST;
use store::FunctionKey;

/// Reads an event filter and asks it about an event. For fuzzing.
pub fn exercise_filter(pattern: &str, event: &str) {
    mappings::exercise_filter(pattern, event);
}

/// The service.
pub struct Lambda {
    functions: Arc<Functions>,
}

impl Lambda {
    fn is_live(&self, ctx: &Context) -> bool {
        *ctx.lane() == Lane::Live
    }

    /// `$LATEST` is not what it was.
    fn changed(&self, ctx: &Context, key: &FunctionKey) {
        if self.is_live(ctx) {
            self.functions.retire(key, LATEST);
        }
    }
}

/// Opens a sandbox when it is wanted for the first time.
pub type OpenSandbox = Arc<dyn Fn() -> Result<Sandbox, String> + Send + Sync>;

/// Where functions run.
#[derive(Clone)]
pub struct Sandboxes {
    pub live: Sandbox,
    /// For candidates; without one nothing runs in the dark.
    pub dark: Option<OpenSandbox>,
}

impl From<Sandbox> for Sandboxes {
    fn from(live: Sandbox) -> Self {
        Self { live, dark: None }
    }
}

/// The routing table; also provides the kernel's port for invocations. Unpacked code is kept in `folder`.
pub fn service(kernel: &Kernel, sandboxes: impl Into<Sandboxes>, folder: PathBuf) -> Service {
    let functions = Arc::new(Functions::new(kernel, sandboxes.into(), folder));
    let lambda = Arc::new(Lambda { functions: Arc::clone(&functions) });
    kernel.provide_invoke(Arc::new(port::Port(Arc::clone(&functions))));
    let on_start = Arc::clone(&functions);
    let mappings = Arc::new(Mappings::new(kernel, Arc::clone(&functions)));
    route(Service::new(&api::lambda::SERVICE), &lambda)
        .resource(resources::AliasType)
        .resource(resources::FunctionType)
        .resource(resources::InvokeConfigType)
        .resource(resources::LayerPermissionType)
        .resource(resources::LayerVersionType)
        .resource(resources::MappingType)
        .resource(resources::PermissionType)
        .resource(resources::UrlType)
        .resource(resources::VersionType)
        .endpoint(Arc::new(door::CodeDoor))
        .endpoint(Arc::new(urls::UrlDoor(Arc::clone(&functions))))
        .task(asynchronous::task(functions))
        .list(resources::list)
        .start(move |kernel| {
            on_start.forget();
            let (functions, mappings) = (Arc::clone(&on_start), Arc::clone(&mappings));
            async move {
                functions.sweep(&kernel).await?;
                mappings.start(kernel);
                Ok(())
            }
        })
}

fn route(service: Service, lambda: &Arc<Lambda>) -> Service {
    service
        .route::<op::AddLayerVersionPermission>(lambda)
        .route::<op::AddPermission>(lambda)
        .route::<op::CreateAlias>(lambda)
        .route::<op::CreateEventSourceMapping>(lambda)
        .route::<op::CreateFunction>(lambda)
        .route::<op::CreateFunctionUrlConfig>(lambda)
        .route::<op::DeleteAlias>(lambda)
        .route::<op::DeleteEventSourceMapping>(lambda)
        .route::<op::DeleteFunction>(lambda)
        .route::<op::DeleteFunctionConcurrency>(lambda)
        .route::<op::DeleteFunctionEventInvokeConfig>(lambda)
        .route::<op::DeleteFunctionUrlConfig>(lambda)
        .route::<op::DeleteLayerVersion>(lambda)
        .route::<op::GetAccountSettings>(lambda)
        .route::<op::GetAlias>(lambda)
        .route::<op::GetEventSourceMapping>(lambda)
        .route::<op::GetFunction>(lambda)
        .route::<op::GetFunctionConcurrency>(lambda)
        .route::<op::GetFunctionConfiguration>(lambda)
        .route::<op::GetFunctionEventInvokeConfig>(lambda)
        .route::<op::GetFunctionUrlConfig>(lambda)
        .route::<op::GetLayerVersion>(lambda)
        .route::<op::GetLayerVersionByArn>(lambda)
        .route::<op::GetLayerVersionPolicy>(lambda)
        .route::<op::GetPolicy>(lambda)
        .route::<op::Invoke>(lambda)
        .route::<op::InvokeWithResponseStream>(lambda)
        .route::<op::ListAliases>(lambda)
        .route::<op::ListEventSourceMappings>(lambda)
        .route::<op::ListFunctionEventInvokeConfigs>(lambda)
        .route::<op::ListFunctionUrlConfigs>(lambda)
        .route::<op::ListFunctions>(lambda)
        .route::<op::ListLayerVersions>(lambda)
        .route::<op::ListLayers>(lambda)
        .route::<op::ListTags>(lambda)
        .route::<op::ListVersionsByFunction>(lambda)
        .route::<op::PublishLayerVersion>(lambda)
        .route::<op::PublishVersion>(lambda)
        .route::<op::PutFunctionConcurrency>(lambda)
        .route::<op::PutFunctionEventInvokeConfig>(lambda)
        .route::<op::RemoveLayerVersionPermission>(lambda)
        .route::<op::RemovePermission>(lambda)
        .route::<op::TagResource>(lambda)
        .route::<op::UntagResource>(lambda)
        .route::<op::UpdateAlias>(lambda)
        .route::<op::UpdateEventSourceMapping>(lambda)
        .route::<op::UpdateFunctionCode>(lambda)
        .route::<op::UpdateFunctionConfiguration>(lambda)
        .route::<op::UpdateFunctionEventInvokeConfig>(lambda)
        .route::<op::UpdateFunctionUrlConfig>(lambda)
}
