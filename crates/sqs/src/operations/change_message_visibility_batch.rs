//! `ChangeMessageVisibilityBatch`: the same for up to ten messages, each for itself.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{batch_error, check_batch};
use crate::Sqs;
use crate::api::sqs::operations::ChangeMessageVisibilityBatch;
use crate::api::sqs::shapes::{
    ChangeMessageVisibilityBatchInput, ChangeMessageVisibilityBatchOutput,
    ChangeMessageVisibilityBatchResultEntry,
};
use crate::engine::change_visibility;
use crate::engine::message::Handle;
use crate::engine::queue::arn_of_url;
use crate::engine::queue::require;

impl Handler<ChangeMessageVisibilityBatch> for Sqs {
    fn authorize(&self, ctx: &Context, input: &ChangeMessageVisibilityBatchInput) -> Vec<Access> {
        vec![Access::new("sqs:ChangeMessageVisibility", arn_of_url(ctx, &input.queue_url))]
    }

    async fn handle(
        &self,
        ctx: Context,
        input: ChangeMessageVisibilityBatchInput,
    ) -> Result<ChangeMessageVisibilityBatchOutput, ServiceError> {
        let ids: Vec<&str> = input.entries.iter().map(|e| e.id.as_str()).collect();
        check_batch(&ids, "ChangeMessageVisibilityBatchRequestEntry")?;
        ctx.transact(input, |tx, ctx, input| async move {
            let (_, row) = require(&tx, &ctx, &input.queue_url).await?;
            let mut output = ChangeMessageVisibilityBatchOutput::default();
            for entry in &input.entries {
                let seconds = entry.visibility_timeout.unwrap_or(0);
                let handle = super::check_visibility(seconds)
                    .and_then(|()| Handle::decode(&entry.receipt_handle, row.number));
                let changed = match handle {
                    Ok(handle)
                        if change_visibility(&tx, &row, &handle, i64::from(seconds)).await? =>
                    {
                        Ok(())
                    }
                    Ok(_) => Err(super::not_in_flight(&entry.receipt_handle)),
                    Err(error) => Err(error),
                };
                match changed {
                    Ok(()) => output
                        .successful
                        .push(ChangeMessageVisibilityBatchResultEntry { id: entry.id.clone() }),
                    Err(error) => output.failed.push(batch_error(entry.id.clone(), &error)),
                }
            }
            Ok(output)
        })
        .await
    }
}
