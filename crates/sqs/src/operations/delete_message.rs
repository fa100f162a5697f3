//! `DeleteMessage`: deletes a message that was received.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::Sqs;
use crate::api::sqs::operations::DeleteMessage;
use crate::api::sqs::shapes::{DeleteMessageInput, DeleteMessageOutput};
use crate::engine::delete;
use crate::engine::message::Handle;
use crate::engine::queue::arn_of_url;
use crate::engine::queue::require;

impl Handler<DeleteMessage> for Sqs {
    fn authorize(&self, ctx: &Context, input: &DeleteMessageInput) -> Vec<Access> {
        vec![Access::new("sqs:DeleteMessage", arn_of_url(ctx, &input.queue_url))]
    }

    async fn handle(
        &self,
        ctx: Context,
        input: DeleteMessageInput,
    ) -> Result<DeleteMessageOutput, ServiceError> {
        let url = input.queue_url.clone();
        let deleted = ctx.transact(input, |tx, ctx, input| async move {
            let (_, row) = require(&tx, &ctx, &input.queue_url).await?;
            let handle = Handle::decode(&input.receipt_handle, row.number)?;
            delete(&tx, &row, &handle).await?;
            Ok(DeleteMessageOutput::default())
        });
        let output = deleted.await?;
        super::count(&ctx, &url, "NumberOfMessagesDeleted", 1, "Count");
        Ok(output)
    }
}
