//! `ListStackResources`: the resources of a stack, page by page.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{PAGE, access, offset, page, time};
use crate::CloudFormation;
use crate::api::cloudformation::operations::ListStackResources;
use crate::api::cloudformation::shapes::{
    ListStackResourcesInput, ListStackResourcesOutput, StackResourceDriftInformationSummary,
    StackResourceSummary,
};
use crate::stack;

impl Handler<ListStackResources> for CloudFormation {
    fn authorize(&self, ctx: &Context, input: &ListStackResourcesInput) -> Vec<Access> {
        access(ctx, "ListStackResources", &input.stack_name)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: ListStackResourcesInput,
    ) -> Result<ListStackResourcesOutput, ServiceError> {
        let start = offset(input.next_token.as_ref())?;
        let store = ctx.store().clone();
        let rows = store
            .transact(move |tx| {
                let (ctx, name) = (ctx.clone(), input.stack_name.clone());
                async move {
                    let stack = stack::require(&tx, &ctx, &name).await?;
                    stack::resources(&tx, &ctx, &stack.uuid).await
                }
            })
            .await?;
        let summaries = rows.into_values().map(|row| StackResourceSummary {
            logical_resource_id: row.logical_id,
            physical_resource_id: Some(row.physical_id),
            resource_type: row.kind,
            last_updated_timestamp: time(row.updated_ms),
            resource_status: row.status,
            resource_status_reason: row.reason,
            drift_information: Some(StackResourceDriftInformationSummary {
                stack_resource_drift_status: "NOT_CHECKED".to_owned(),
                ..StackResourceDriftInformationSummary::default()
            }),
            ..StackResourceSummary::default()
        });
        let (summaries, next_token) = page(summaries.collect(), start, PAGE);
        Ok(ListStackResourcesOutput { stack_resource_summaries: Some(summaries), next_token })
    }
}
