//! `StartMessageMoveTask`: begins to move dead letters back, or to another queue.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{move_handle, move_queue};
use crate::Sqs;
use crate::api::sqs::operations::StartMessageMoveTask;
use crate::api::sqs::shapes::{StartMessageMoveTaskInput, StartMessageMoveTaskOutput};
use crate::engine::queue::is_fifo;
use crate::error::parameter;
use crate::limits::{MOVES_LISTED_MAX, MOVES_PER_SECOND_MAX};
use crate::store::{COUNTS, MOVES, MoveRow, MoveStatus, QUEUES};
use crate::tasks::spawn_move;

/// How many sources of dead letters are looked through.
const QUEUES_MAX: usize = 100_000;

impl Handler<StartMessageMoveTask> for Sqs {
    fn authorize(&self, _: &Context, input: &StartMessageMoveTaskInput) -> Vec<Access> {
        vec![Access::new("sqs:StartMessageMoveTask", input.source_arn.clone())]
    }

    async fn handle(
        &self,
        ctx: Context,
        input: StartMessageMoveTaskInput,
    ) -> Result<StartMessageMoveTaskOutput, ServiceError> {
        let per_second = input.max_number_of_messages_per_second.map(i64::from);
        if let Some(rate) = per_second.filter(|rate| !(1..=MOVES_PER_SECOND_MAX).contains(rate)) {
            return Err(parameter(format!(
                "Value {rate} for parameter MaxNumberOfMessagesPerSecond is invalid. Reason: You must enter a value between 1 and {MOVES_PER_SECOND_MAX}."
            )));
        }
        let handle = ctx
            .transact((input, per_second), |tx, ctx, input| async move {
                let (input, per_second) = &*input;
                let (source, row) = move_queue(&tx, &ctx, "SourceArn", &input.source_arn).await?;
                if let Some(arn) = &input.destination_arn {
                    let (target, _) = move_queue(&tx, &ctx, "DestinationArn", arn).await?;
                    if target == source {
                        return Err(parameter("Source queue arn and destination queue arn cannot be the same."));
                    }
                    if is_fifo(&target.2) != row.is_fifo() {
                        return Err(parameter("Source and destination queue must be of the same type."));
                    }
                }
                let all = QUEUES.prefix(&(source.0.clone(), source.1.clone()));
                let queues = QUEUES.scan(&tx, all, QUEUES_MAX, false).await?;
                let is_source = |redrive: crate::engine::queue::Redrive| {
                    redrive.target_arn == input.source_arn
                };
                if !queues.iter().any(|(_, row)| row.redrive().is_some_and(is_source)) {
                    return Err(parameter("Source queue must be configured as a Dead Letter Queue."));
                }
                let listed = usize::try_from(MOVES_LISTED_MAX).unwrap_or(usize::MAX);
                let moves = MOVES.scan(&tx, MOVES.prefix(&(row.number,)), listed + 1, false).await?;
                if moves.iter().any(|(_, row)| row.status == MoveStatus::Running) {
                    return Err(parameter("There is already a task running. Only one active task is allowed for a source queue arn at a given time."));
                }
                for (key, _) in moves.iter().skip(listed - 1) {
                    MOVES.delete(&tx, key)?;
                }
                // Two that begin at once both write the queue's row: one of them sees the other.
                QUEUES.put(&tx, &source, &row)?;
                let key = (row.number, -tx.now_ms(), tx.ids().u64());
                let moving = MoveRow {
                    status: MoveStatus::Running,
                    source,
                    destination: input.destination_arn.clone(),
                    per_second: *per_second,
                    moved: 0,
                    to_move: tx.sum(&COUNTS.key(&(row.number,))).await?.max(0),
                    started_ms: tx.now_ms(),
                    failure: None,
                    from_ms: 0,
                };
                MOVES.put(&tx, &key, &moving)?;
                spawn_move(&tx, &key)?;
                Ok(move_handle(&key, &input.source_arn))
            })
            .await?;
        Ok(StartMessageMoveTaskOutput { task_handle: Some(handle) })
    }
}
