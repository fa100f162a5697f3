//! `ListMessageMoveTasks`: the latest moves out of a queue, newest first.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{move_handle, move_queue};
use crate::Sqs;
use crate::api::sqs::operations::ListMessageMoveTasks;
use crate::api::sqs::shapes::{
    ListMessageMoveTasksInput, ListMessageMoveTasksOutput, ListMessageMoveTasksResultEntry,
};
use crate::error::parameter;
use crate::limits::MOVES_LISTED_MAX;
use crate::store::{MOVES, MoveRow, MoveStatus};

impl Handler<ListMessageMoveTasks> for Sqs {
    fn authorize(&self, _: &Context, input: &ListMessageMoveTasksInput) -> Vec<Access> {
        vec![Access::new("sqs:ListMessageMoveTasks", input.source_arn.clone())]
    }

    async fn handle(
        &self,
        ctx: Context,
        input: ListMessageMoveTasksInput,
    ) -> Result<ListMessageMoveTasksOutput, ServiceError> {
        let n = input.max_results.map_or(1, i64::from);
        if !(1..=MOVES_LISTED_MAX).contains(&n) {
            return Err(parameter(format!(
                "Value {n} for parameter MaxResults is invalid. Reason: You must enter a value between 1 and {MOVES_LISTED_MAX}."
            )));
        }
        ctx.transact(input, move |tx, ctx, input| async move {
            let (_, row) = move_queue(&tx, &ctx, "SourceArn", &input.source_arn).await?;
            let n = usize::try_from(n).unwrap_or(1);
            let moves = MOVES.scan(&tx, MOVES.prefix(&(row.number,)), n, false).await?;
            let results = moves.iter().map(|(key, row)| shown(key, row, &input.source_arn));
            Ok(ListMessageMoveTasksOutput { results: Some(results.collect()) })
        })
        .await
    }
}

fn shown(key: &(u64, i64, u64), row: &MoveRow, source: &str) -> ListMessageMoveTasksResultEntry {
    let is_running = row.status == MoveStatus::Running;
    let status = match row.status {
        MoveStatus::Running => "RUNNING",
        MoveStatus::Completed => "COMPLETED",
        MoveStatus::Cancelled => "CANCELLED",
        MoveStatus::Failed => "FAILED",
    };
    ListMessageMoveTasksResultEntry {
        // Only what can be cancelled has a handle.
        task_handle: is_running.then(|| move_handle(key, source)),
        status: Some(status.to_owned()),
        source_arn: Some(source.to_owned()),
        destination_arn: row.destination.clone(),
        max_number_of_messages_per_second: row.per_second.and_then(|n| i32::try_from(n).ok()),
        approximate_number_of_messages_moved: Some(row.moved),
        approximate_number_of_messages_to_move: Some(row.to_move),
        failure_reason: row.failure.clone(),
        started_timestamp: Some(row.started_ms),
    }
}
