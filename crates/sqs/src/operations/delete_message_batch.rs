//! `DeleteMessageBatch`: deletes up to ten messages, each for itself.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{batch_error, check_batch};
use crate::Sqs;
use crate::api::sqs::operations::DeleteMessageBatch;
use crate::api::sqs::shapes::{
    DeleteMessageBatchInput, DeleteMessageBatchOutput, DeleteMessageBatchResultEntry,
};
use crate::engine::delete;
use crate::engine::message::Handle;
use crate::engine::queue::arn_of_url;
use crate::engine::queue::require;

impl Handler<DeleteMessageBatch> for Sqs {
    fn authorize(&self, ctx: &Context, input: &DeleteMessageBatchInput) -> Vec<Access> {
        vec![Access::new("sqs:DeleteMessage", arn_of_url(ctx, &input.queue_url))]
    }

    async fn handle(
        &self,
        ctx: Context,
        input: DeleteMessageBatchInput,
    ) -> Result<DeleteMessageBatchOutput, ServiceError> {
        let ids: Vec<&str> = input.entries.iter().map(|e| e.id.as_str()).collect();
        check_batch(&ids, "DeleteMessageBatchRequestEntry")?;
        let url = input.queue_url.clone();
        let deleted = ctx.transact(input, |tx, ctx, input| async move {
            let (_, row) = require(&tx, &ctx, &input.queue_url).await?;
            let mut output = DeleteMessageBatchOutput::default();
            for entry in &input.entries {
                let deleted = match Handle::decode(&entry.receipt_handle, row.number) {
                    Ok(handle) => delete(&tx, &row, &handle).await,
                    Err(error) => Err(error),
                };
                match deleted {
                    Ok(()) => output
                        .successful
                        .push(DeleteMessageBatchResultEntry { id: entry.id.clone() }),
                    // What the store says is for the whole transaction.
                    Err(error) if error.status().is_some_and(|status| status >= 500) => {
                        return Err(error);
                    }
                    Err(error) => output.failed.push(batch_error(entry.id.clone(), &error)),
                }
            }
            Ok(output)
        });
        let output = deleted.await?;
        super::count(&ctx, &url, "NumberOfMessagesDeleted", output.successful.len(), "Count");
        Ok(output)
    }
}
