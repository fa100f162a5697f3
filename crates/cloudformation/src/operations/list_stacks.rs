//! `ListStacks`: all stacks, deleted ones of the last ninety days included.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{PAGE, access, offset, page, time};
use crate::CloudFormation;
use crate::api::cloudformation::operations::ListStacks;
use crate::api::cloudformation::shapes::{
    ListStacksInput, ListStacksOutput, StackDriftInformationSummary, StackSummary,
};
use crate::store::STACKS;

const DELETED_SHOWN_MS: i64 = 90 * 24 * 3600 * 1000;

impl Handler<ListStacks> for CloudFormation {
    fn authorize(&self, ctx: &Context, _: &ListStacksInput) -> Vec<Access> {
        access(ctx, "ListStacks", "")
    }

    async fn handle(
        &self,
        ctx: Context,
        input: ListStacksInput,
    ) -> Result<ListStacksOutput, ServiceError> {
        let start = offset(input.next_token.as_ref())?;
        let wanted = input.stack_status_filter.unwrap_or_default();
        let oldest = ctx.now_ms() - DELETED_SHOWN_MS;
        let prefix = (ctx.account().to_owned(), ctx.region().to_owned());
        let rows = ctx
            .store()
            .transact(move |tx| {
                let prefix = prefix.clone();
                async move {
                    let range = STACKS.prefix(&prefix);
                    Ok::<_, ServiceError>(STACKS.scan(&tx, range, 10_000, false).await?)
                }
            })
            .await?;
        let mut rows: Vec<_> = rows
            .into_iter()
            .map(|(_, row)| row)
            .filter(|row| wanted.is_empty() || wanted.contains(&row.status))
            .filter(|row| row.deleted_ms.is_none_or(|at| at > oldest))
            .collect();
        rows.sort_by_key(|row| std::cmp::Reverse(row.created_ms));
        let summaries = rows.into_iter().map(|row| StackSummary {
            stack_id: Some(row.id),
            stack_name: row.name,
            template_description: row.description,
            creation_time: time(row.created_ms),
            last_updated_time: row.updated_ms.map(time),
            deletion_time: row.deleted_ms.map(time),
            stack_status: row.status,
            stack_status_reason: row.reason,
            parent_id: row.parent_id,
            root_id: row.root_id,
            drift_information: Some(StackDriftInformationSummary {
                last_check_timestamp: row.drift.as_ref().map(|drift| time(drift.time_ms)),
                stack_drift_status: row.drift.map_or("NOT_CHECKED".to_owned(), |d| d.status),
            }),
            ..StackSummary::default()
        });
        let (summaries, next_token) = page(summaries.collect(), start, PAGE);
        Ok(ListStacksOutput { stack_summaries: Some(summaries), next_token })
    }
}
