//! CloudFormation: templates, change sets, stacks.
//!
//! A template is read and resolved by pure functions ([`template`]). Creating, updating and deleting
//! a stack is one durable task ([`deploy`]) which records each step of each resource, so that it goes
//! on where a crash stopped it. What a resource *is* belongs to the service that owns it
//! (`undercast_kernel::ResourceType`); only custom resources and `AWS::CDK::Metadata` live here.
//!
//! Read first: `store.rs` (what is kept), `deploy/mod.rs` (the phases of an operation),
//! `template/intrinsics.rs` (functions), `transform/sam/mod.rs` (what a serverless template becomes).
//!
//! Stack sets, hooks and the registry of types are not here; each answers an error that names it.

pub mod api;
mod custom;
mod deploy;
mod drift;
mod error;
mod import;
mod inert;
mod macros;
mod nested;
mod operations;
mod plan;
mod policy;
mod readback;
mod resources;
mod stack;
mod store;
pub mod template;
pub mod transform;
mod types;
mod waits;

use std::sync::Arc;

use undercast_kernel::{Kernel, Service};
use undercast_smithy::validate::message;

use api::cloudformation::operations as op;

/// As whom CloudFormation acts by itself, and to whom roles are passed.
const NAME: &str = "cloudformation.amazonaws.com";

/// The service. All its state is in the store.
#[derive(Debug)]
pub struct CloudFormation;

/// The routing table.
pub fn service(_: &Kernel) -> Service {
    let cf = Arc::new(CloudFormation);
    let service = Service::new(&api::cloudformation::SERVICE)
        .route::<op::CancelUpdateStack>(&cf)
        .route::<op::ContinueUpdateRollback>(&cf)
        .route::<op::CreateChangeSet>(&cf)
        .route::<op::CreateStack>(&cf)
        .route::<op::DeleteChangeSet>(&cf)
        .route::<op::DeleteStack>(&cf)
        .route::<op::DescribeAccountLimits>(&cf)
        .route::<op::DescribeChangeSet>(&cf)
        .route::<op::DescribeEvents>(&cf)
        .route::<op::DescribeStackDriftDetectionStatus>(&cf)
        .route::<op::DescribeStackEvents>(&cf)
        .route::<op::DescribeStackResource>(&cf)
        .route::<op::DescribeStackResourceDrifts>(&cf)
        .route::<op::DescribeStackResources>(&cf)
        .route::<op::DescribeStacks>(&cf)
        .route::<op::DescribeType>(&cf)
        .route::<op::DetectStackDrift>(&cf)
        .route::<op::DetectStackResourceDrift>(&cf)
        .route::<op::ExecuteChangeSet>(&cf)
        .route::<op::GetStackPolicy>(&cf)
        .route::<op::GetTemplate>(&cf)
        .route::<op::GetTemplateSummary>(&cf)
        .route::<op::ListChangeSets>(&cf)
        .route::<op::ListExports>(&cf)
        .route::<op::ListImports>(&cf)
        .route::<op::ListStackResources>(&cf)
        .route::<op::ListStacks>(&cf)
        .route::<op::ListTypes>(&cf)
        .route::<op::RollbackStack>(&cf)
        .route::<op::SetStackPolicy>(&cf)
        .route::<op::SignalResource>(&cf)
        .route::<op::UpdateStack>(&cf)
        .route::<op::UpdateTerminationProtection>(&cf)
        .route::<op::ValidateTemplate>(&cf)
        .resource(macros::Macro)
        .resource(nested::NestedStack)
        .resource(types::CdkMetadata)
        .resource(waits::WaitCondition)
        .resource(waits::WaitConditionHandle)
        .endpoint(Arc::new(custom::ResponseEndpoint))
        .endpoint(Arc::new(waits::SignalEndpoint))
        .task(deploy::task())
        .list(resources::list)
        .refuse(|violations| error::validation(message(violations)));
    inert::TYPES.iter().fold(service, |service, inert| service.resource(inert::InertType(inert)))
}
