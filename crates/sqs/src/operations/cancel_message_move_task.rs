//! `CancelMessageMoveTask`: ends a move; what was moved stays moved.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{move_queue, parse_move_handle};
use crate::Sqs;
use crate::api::sqs::operations::CancelMessageMoveTask;
use crate::api::sqs::shapes::{CancelMessageMoveTaskInput, CancelMessageMoveTaskOutput};
use crate::error::parameter;
use crate::store::{MOVES, MoveStatus};

impl Handler<CancelMessageMoveTask> for Sqs {
    fn authorize(&self, _: &Context, input: &CancelMessageMoveTaskInput) -> Vec<Access> {
        let source = parse_move_handle(&input.task_handle).map(|(_, source)| source);
        let source = source.unwrap_or_else(|| "*".to_owned());
        vec![Access::new("sqs:CancelMessageMoveTask", source)]
    }

    async fn handle(
        &self,
        ctx: Context,
        input: CancelMessageMoveTaskInput,
    ) -> Result<CancelMessageMoveTaskOutput, ServiceError> {
        let (key, source) = parse_move_handle(&input.task_handle)
            .ok_or_else(|| parameter("Value for parameter TaskHandle is invalid."))?;
        ctx.transact((key, source), |tx, ctx, input| async move {
            let (key, source) = &*input;
            let gone = || ServiceError::new("ResourceNotFoundException", "Task does not exist.");
            let (_, queue) = move_queue(&tx, &ctx, "SourceArn", source).await?;
            let row = MOVES.get(&tx, key).await?.filter(|_| queue.number == key.0);
            let mut row = row.ok_or_else(gone)?;
            if row.status != MoveStatus::Running {
                return Err(parameter("Only active tasks can be cancelled."));
            }
            row.status = MoveStatus::Cancelled;
            MOVES.put(&tx, key, &row)?;
            Ok(CancelMessageMoveTaskOutput {
                approximate_number_of_messages_moved: Some(row.moved),
            })
        })
        .await
    }
}
