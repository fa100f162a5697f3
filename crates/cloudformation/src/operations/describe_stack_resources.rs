//! `DescribeStackResources`: the resources of a stack, or the stack of a resource.

use undercast_kernel::{Access, Context, Handler, ServiceError};
use undercast_store::Tx;

use super::{access, time};
use crate::CloudFormation;
use crate::api::cloudformation::operations::DescribeStackResources;
use crate::api::cloudformation::shapes::{
    DescribeStackResourcesInput, DescribeStackResourcesOutput, StackResource,
    StackResourceDriftInformation,
};
use crate::error::validation;
use crate::stack;
use crate::store::{RESOURCES, STACKS, StackRow};

impl Handler<DescribeStackResources> for CloudFormation {
    fn authorize(&self, ctx: &Context, input: &DescribeStackResourcesInput) -> Vec<Access> {
        access(ctx, "DescribeStackResources", input.stack_name.as_deref().unwrap_or_default())
    }

    async fn handle(
        &self,
        ctx: Context,
        input: DescribeStackResourcesInput,
    ) -> Result<DescribeStackResourcesOutput, ServiceError> {
        let logical = input.logical_resource_id.clone();
        let store = ctx.store().clone();
        let (stack, rows) = store
            .transact(move |tx| {
                let (ctx, input) = (ctx.clone(), input.clone());
                async move {
                    let stack = find(&tx, &ctx, &input).await?;
                    let rows = stack::resources(&tx, &ctx, &stack.uuid).await?;
                    Ok::<_, ServiceError>((stack, rows))
                }
            })
            .await?;
        let rows =
            rows.into_values().filter(|r| logical.as_ref().is_none_or(|l| *l == r.logical_id));
        let resources: Vec<StackResource> = rows
            .map(|row| StackResource {
                stack_name: Some(stack.name.clone()),
                stack_id: Some(stack.id.clone()),
                logical_resource_id: row.logical_id,
                physical_resource_id: Some(row.physical_id),
                resource_type: row.kind,
                timestamp: time(row.updated_ms),
                resource_status: row.status,
                resource_status_reason: row.reason,
                drift_information: Some(StackResourceDriftInformation {
                    stack_resource_drift_status: "NOT_CHECKED".to_owned(),
                    ..StackResourceDriftInformation::default()
                }),
                ..StackResource::default()
            })
            .collect();
        if let Some(logical) = logical.filter(|_| resources.is_empty()) {
            return Err(validation(format!(
                "Resource {logical} does not exist for stack {}",
                stack.name
            )));
        }
        Ok(DescribeStackResourcesOutput { stack_resources: Some(resources) })
    }
}

async fn find(
    tx: &Tx,
    ctx: &Context,
    input: &DescribeStackResourcesInput,
) -> Result<StackRow, ServiceError> {
    if let Some(name) = &input.stack_name {
        return stack::require(tx, ctx, name).await;
    }
    let Some(physical) = &input.physical_resource_id else {
        return Err(validation("Either StackName or PhysicalResourceId must be specified."));
    };
    let prefix = (ctx.account().to_owned(), ctx.region().to_owned());
    let rows = RESOURCES.scan(tx, RESOURCES.prefix(&prefix), 100_000, false).await?;
    let missing = || validation(format!("Stack for {physical} does not exist"));
    let (key, _) =
        rows.into_iter().find(|(_, r)| r.physical_id == *physical).ok_or_else(missing)?;
    STACKS.get(tx, &(key.0, key.1, key.2)).await?.ok_or_else(missing)
}
