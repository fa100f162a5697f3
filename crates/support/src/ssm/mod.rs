//! Systems Manager: the parameter store.

mod operations;
mod policy;
mod resources;
mod secrets;
mod secure;
mod store;

use std::sync::Arc;

use undercast_kernel::{Kernel, Service};

use crate::api::ssm::{SERVICE, operations as op};

/// The service. All its state is in the store.
#[derive(Debug)]
pub struct Ssm;

pub(crate) fn service(_: &Kernel) -> Service {
    let ssm = Arc::new(Ssm);
    Service::new(&SERVICE)
        .route::<op::AddTagsToResource>(&ssm)
        .route::<op::DeleteParameter>(&ssm)
        .route::<op::DeleteParameters>(&ssm)
        .route::<op::DescribeParameters>(&ssm)
        .route::<op::GetParameter>(&ssm)
        .route::<op::GetParameterHistory>(&ssm)
        .route::<op::GetParameters>(&ssm)
        .route::<op::GetParametersByPath>(&ssm)
        .route::<op::LabelParameterVersion>(&ssm)
        .route::<op::ListTagsForResource>(&ssm)
        .route::<op::PutParameter>(&ssm)
        .route::<op::RemoveTagsFromResource>(&ssm)
        .route::<op::UnlabelParameterVersion>(&ssm)
        .task(policy::task())
        .resource(resources::ParameterType)
        .list(resources::list)
}
