//! `DescribeStackResource`: one resource of a stack, with its metadata.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{access, time};
use crate::CloudFormation;
use crate::api::cloudformation::operations::DescribeStackResource;
use crate::api::cloudformation::shapes::{
    DescribeStackResourceInput, DescribeStackResourceOutput, StackResourceDetail,
    StackResourceDriftInformation,
};
use crate::error::validation;
use crate::stack;

impl Handler<DescribeStackResource> for CloudFormation {
    fn authorize(&self, ctx: &Context, input: &DescribeStackResourceInput) -> Vec<Access> {
        access(ctx, "DescribeStackResource", &input.stack_name)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: DescribeStackResourceInput,
    ) -> Result<DescribeStackResourceOutput, ServiceError> {
        let store = ctx.store().clone();
        let (stack, row) = store
            .transact(move |tx| {
                let (ctx, input) = (ctx.clone(), input.clone());
                async move {
                    let name = &input.stack_name;
                    let stack = stack::find(&tx, &ctx, name)
                        .await?
                        .ok_or_else(|| validation(format!("Stack '{name}' does not exist")))?;
                    let mut rows = stack::resources(&tx, &ctx, &stack.uuid).await?;
                    let id = &input.logical_resource_id;
                    let row = rows.remove(id).ok_or_else(|| {
                        validation(format!("Resource {id} does not exist for stack {}", stack.name))
                    })?;
                    Ok::<_, ServiceError>((stack, row))
                }
            })
            .await?;
        Ok(DescribeStackResourceOutput {
            stack_resource_detail: Some(StackResourceDetail {
                stack_name: Some(stack.name),
                stack_id: Some(stack.id),
                logical_resource_id: row.logical_id,
                physical_resource_id: Some(row.physical_id),
                resource_type: row.kind,
                last_updated_timestamp: time(row.updated_ms),
                resource_status: row.status,
                resource_status_reason: row.reason,
                metadata: Some(row.metadata.unwrap_or_else(|| "{}".to_owned())),
                drift_information: Some(StackResourceDriftInformation {
                    stack_resource_drift_status: "NOT_CHECKED".to_owned(),
                    ..StackResourceDriftInformation::default()
                }),
                ..StackResourceDetail::default()
            }),
        })
    }
}
