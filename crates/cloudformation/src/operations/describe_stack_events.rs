//! `DescribeStackEvents`: what happened to a stack, newest first.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{PAGE, access, offset, page, time};
use crate::CloudFormation;
use crate::api::cloudformation::operations::DescribeStackEvents;
use crate::api::cloudformation::shapes::{
    DescribeStackEventsInput, DescribeStackEventsOutput, StackEvent,
};
use crate::stack;
use crate::store::EVENTS;

const EVENTS_MAX: usize = 10_000;

impl Handler<DescribeStackEvents> for CloudFormation {
    fn authorize(&self, ctx: &Context, input: &DescribeStackEventsInput) -> Vec<Access> {
        access(ctx, "DescribeStackEvents", &input.stack_name)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: DescribeStackEventsInput,
    ) -> Result<DescribeStackEventsOutput, ServiceError> {
        let start = offset(input.next_token.as_ref())?;
        let store = ctx.store().clone();
        let (stack, rows) = store
            .transact(move |tx| {
                let (ctx, name) = (ctx.clone(), input.stack_name.clone());
                async move {
                    let stack = stack::require(&tx, &ctx, &name).await.map_err(|error| {
                        if error.code() == "ValidationError" {
                            crate::error::validation(format!("Stack [{name}] does not exist"))
                        } else {
                            error
                        }
                    })?;
                    let prefix = EVENTS.prefix(&stack::key(&ctx, &stack.uuid));
                    let rows = EVENTS.scan(&tx, prefix, EVENTS_MAX, true).await?;
                    Ok::<_, ServiceError>((stack, rows))
                }
            })
            .await?;
        let events = rows.into_iter().map(|(_, row)| StackEvent {
            stack_id: stack.id.clone(),
            event_id: row.id,
            stack_name: stack.name.clone(),
            logical_resource_id: Some(row.logical_id),
            physical_resource_id: Some(row.physical_id),
            resource_type: Some(row.kind),
            timestamp: time(row.time_ms),
            resource_status: Some(row.status),
            resource_status_reason: row.reason,
            resource_properties: row.properties,
            client_request_token: row.client_token,
            ..StackEvent::default()
        });
        let (events, next_token) = page(events.collect(), start, PAGE);
        Ok(DescribeStackEventsOutput { stack_events: Some(events), next_token })
    }
}
