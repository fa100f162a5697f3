//! `ListChangeSets`: the change sets of a stack.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{PAGE, access, offset, page, time};
use crate::CloudFormation;
use crate::api::cloudformation::operations::ListChangeSets;
use crate::api::cloudformation::shapes::{
    ChangeSetSummary, ListChangeSetsInput, ListChangeSetsOutput,
};
use crate::stack;
use crate::store::CHANGE_SETS;

impl Handler<ListChangeSets> for CloudFormation {
    fn authorize(&self, ctx: &Context, input: &ListChangeSetsInput) -> Vec<Access> {
        access(ctx, "ListChangeSets", &input.stack_name)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: ListChangeSetsInput,
    ) -> Result<ListChangeSetsOutput, ServiceError> {
        let start = offset(input.next_token.as_ref())?;
        let store = ctx.store().clone();
        let (stack, rows) = store
            .transact(move |tx| {
                let (ctx, name) = (ctx.clone(), input.stack_name.clone());
                async move {
                    let stack = stack::require(&tx, &ctx, &name).await?;
                    let prefix = CHANGE_SETS.prefix(&stack::key(&ctx, &stack.uuid));
                    let rows = CHANGE_SETS.scan(&tx, prefix, 1_000, false).await?;
                    Ok::<_, ServiceError>((stack, rows))
                }
            })
            .await?;
        let summaries = rows.into_iter().map(|(_, set)| ChangeSetSummary {
            stack_id: Some(stack.id.clone()),
            stack_name: Some(stack.name.clone()),
            change_set_id: Some(set.id),
            change_set_name: Some(set.name),
            execution_status: Some(set.execution_status),
            status: Some(set.status),
            status_reason: set.reason,
            creation_time: Some(time(set.created_ms)),
            description: set.description,
            include_nested_stacks: Some(set.include_nested),
            ..ChangeSetSummary::default()
        });
        let (summaries, next_token) = page(summaries.collect(), start, PAGE);
        Ok(ListChangeSetsOutput { summaries: Some(summaries), next_token })
    }
}
