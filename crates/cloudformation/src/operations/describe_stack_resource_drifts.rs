//! `DescribeStackResourceDrifts`: what the last detection saw of each resource.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{PAGE, access, offset, page};
use crate::CloudFormation;
use crate::api::cloudformation::operations::DescribeStackResourceDrifts;
use crate::api::cloudformation::shapes::{
    DescribeStackResourceDriftsInput, DescribeStackResourceDriftsOutput,
};
use crate::drift;
use crate::stack;
use crate::store::DRIFTS;

impl Handler<DescribeStackResourceDrifts> for CloudFormation {
    fn authorize(&self, ctx: &Context, input: &DescribeStackResourceDriftsInput) -> Vec<Access> {
        access(ctx, "DescribeStackResourceDrifts", &input.stack_name)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: DescribeStackResourceDriftsInput,
    ) -> Result<DescribeStackResourceDriftsOutput, ServiceError> {
        let start = offset(input.next_token.as_ref())?;
        let only = input.stack_resource_drift_status_filters.unwrap_or_default();
        let size = input.max_results.and_then(|n| usize::try_from(n).ok()).unwrap_or(PAGE);
        let (stack, resources) = super::stack_and_resources(&ctx, &input.stack_name).await?;
        let prefix = DRIFTS.prefix(&stack::key(&ctx, &stack.uuid));
        let rows = DRIFTS.list(ctx.store(), prefix, 2_000, false).await?;
        let rows = rows.into_iter().map(|(_, row)| row);
        // What has left the stack since is not of interest.
        let rows = rows.filter(|row| resources.contains_key(&row.logical_id));
        let rows = rows.filter(|row| only.is_empty() || only.contains(&row.status));
        let drifts = rows.map(|row| drift::shown(&stack, row)).collect();
        let (stack_resource_drifts, next_token) = page(drifts, start, size);
        Ok(DescribeStackResourceDriftsOutput { stack_resource_drifts, next_token })
    }
}
