//! Elastic Container Registry: repositories as far as deployment tools make and ask for them. Images
//! cannot be pushed yet.

mod operations;
mod resources;
mod store;

use std::sync::Arc;

use undercast_kernel::{Kernel, Service, ServiceError};
use undercast_smithy::validate::message;

use crate::api::ecr::{SERVICE, operations as op};

/// The service. All its state is in the store.
#[derive(Debug)]
pub struct Ecr;

pub(crate) fn service(_: &Kernel) -> Service {
    let ecr = Arc::new(Ecr);
    Service::new(&SERVICE)
        .route::<op::CreateRepository>(&ecr)
        .route::<op::DeleteLifecyclePolicy>(&ecr)
        .route::<op::DeleteRepository>(&ecr)
        .route::<op::DeleteRepositoryPolicy>(&ecr)
        .route::<op::DescribeImages>(&ecr)
        .route::<op::DescribeRepositories>(&ecr)
        .route::<op::GetLifecyclePolicy>(&ecr)
        .route::<op::GetRepositoryPolicy>(&ecr)
        .route::<op::ListImages>(&ecr)
        .route::<op::ListTagsForResource>(&ecr)
        .route::<op::PutImageScanningConfiguration>(&ecr)
        .route::<op::PutImageTagMutability>(&ecr)
        .route::<op::PutLifecyclePolicy>(&ecr)
        .route::<op::SetRepositoryPolicy>(&ecr)
        .route::<op::TagResource>(&ecr)
        .route::<op::UntagResource>(&ecr)
        .resource(resources::RepositoryType)
        .list(resources::list)
        .refuse(|violations| ServiceError::new("InvalidParameterException", message(violations)))
}
