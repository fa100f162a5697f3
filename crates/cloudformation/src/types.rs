//! Finding the resource type behind a name, and the few types that CloudFormation has of its own.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use undercast_kernel::{Context, Kernel, Resource, ResourceRequest, ResourceType, ServiceError};

use crate::custom::CustomResource;

pub(crate) fn find(kernel: &Kernel, kind: &str) -> Option<Arc<dyn ResourceType>> {
    if kind.starts_with("Custom::") || kind == "AWS::CloudFormation::CustomResource" {
        return Some(Arc::new(CustomResource { kind: kind.to_owned() }));
    }
    kernel.resource_type(kind)
}

/// All types but those of custom resources.
pub(crate) fn names(kernel: &Kernel) -> impl Iterator<Item = &'static str> {
    kernel.services().iter().flat_map(|service| &service.resource_types).map(|kind| kind.name())
}

/// `arn:aws:cloudformation:{region}::type/resource/AWS-SQS-Queue`.
pub(crate) fn arn(ctx: &Context, name: &str) -> String {
    let name = name.replace("::", "-");
    format!("arn:aws:cloudformation:{}::type/resource/{name}", ctx.region())
}

/// `AWS::CDK::Metadata`: says which constructs a template was made of. It does nothing on AWS either.
pub struct CdkMetadata;

impl ResourceType for CdkMetadata {
    fn name(&self) -> &'static str {
        "AWS::CDK::Metadata"
    }

    fn properties(&self) -> &'static [&'static str] {
        &["Analytics"]
    }

    fn create(
        &self,
        _: Context,
        request: ResourceRequest,
    ) -> BoxFuture<'static, Result<Resource, ServiceError>> {
        async move { Ok(Resource::new(request.generated_name(255))) }.boxed()
    }

    fn update(
        &self,
        _: Context,
        request: ResourceRequest,
    ) -> BoxFuture<'static, Result<Resource, ServiceError>> {
        async move { Ok(Resource::new(request.physical_id)) }.boxed()
    }

    fn delete(
        &self,
        _: Context,
        _: ResourceRequest,
    ) -> BoxFuture<'static, Result<(), ServiceError>> {
        async { Ok(()) }.boxed()
    }
}
