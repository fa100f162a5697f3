//! `DescribeEvents`: what happened to a stack, or only what failed.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{PAGE, access, offset, page, time};
use crate::CloudFormation;
use crate::api::cloudformation::operations::DescribeEvents;
use crate::api::cloudformation::shapes::{
    DescribeEventsInput, DescribeEventsOutput, OperationEvent,
};
use crate::error::validation;
use crate::operations::create_change_set;
use crate::stack;
use crate::store::EVENTS;

const EVENTS_MAX: usize = 10_000;

impl Handler<DescribeEvents> for CloudFormation {
    fn authorize(&self, ctx: &Context, input: &DescribeEventsInput) -> Vec<Access> {
        access(ctx, "DescribeEvents", input.stack_name.as_deref().unwrap_or_default())
    }

    async fn handle(
        &self,
        ctx: Context,
        input: DescribeEventsInput,
    ) -> Result<DescribeEventsOutput, ServiceError> {
        if input.operation_id.is_some() {
            return Err(ServiceError::unsupported("DescribeEvents by OperationId"));
        }
        let start = offset(input.next_token.as_ref())?;
        let only_failed = input.filters.as_ref().and_then(|f| f.failed_events) == Some(true);
        let store = ctx.store().clone();
        let (stack, rows) = store
            .transact(move |tx| {
                let (ctx, input) = (ctx.clone(), input.clone());
                async move {
                    let stack = match (&input.change_set_name, &input.stack_name) {
                        (Some(set), name) => {
                            create_change_set::find(&tx, &ctx, set, name.as_ref()).await?.0
                        }
                        (None, Some(name)) => stack::require(&tx, &ctx, name).await?,
                        (None, None) => {
                            return Err(validation("Either StackName or ChangeSetName is needed."));
                        }
                    };
                    let prefix = EVENTS.prefix(&stack::key(&ctx, &stack.uuid));
                    let rows = EVENTS.scan(&tx, prefix, EVENTS_MAX, true).await?;
                    Ok::<_, ServiceError>((stack, rows))
                }
            })
            .await?;
        let rows = rows.into_iter().map(|(_, row)| row);
        let rows = rows.filter(|row| !only_failed || row.status.ends_with("_FAILED"));
        let events = rows.map(|row| OperationEvent {
            event_id: Some(row.id),
            stack_id: Some(stack.id.clone()),
            event_type: Some("STACK_EVENT".to_owned()),
            logical_resource_id: Some(row.logical_id),
            physical_resource_id: Some(row.physical_id),
            resource_type: Some(row.kind),
            timestamp: Some(time(row.time_ms)),
            resource_status: Some(row.status),
            resource_status_reason: row.reason,
            resource_properties: row.properties,
            client_request_token: row.client_token,
            ..OperationEvent::default()
        });
        let (events, next_token) = page(events.collect(), start, PAGE);
        Ok(DescribeEventsOutput { operation_events: Some(events), next_token })
    }
}
