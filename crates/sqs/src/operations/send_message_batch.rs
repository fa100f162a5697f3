//! `SendMessageBatch`: appends up to ten messages, each for itself.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{batch_error, check_batch};
use crate::Sqs;
use crate::api::sqs::operations::SendMessageBatch;
use crate::api::sqs::shapes::{
    SendMessageBatchInput, SendMessageBatchOutput, SendMessageBatchResultEntry,
};
use crate::engine::message::{md5_of, md5_of_attributes, shown_sequence};
use crate::engine::queue::arn_of_url;
use crate::engine::queue::require;
use crate::engine::send;
use crate::limits::MESSAGE_BYTES_MAX;

impl Handler<SendMessageBatch> for Sqs {
    fn authorize(&self, ctx: &Context, input: &SendMessageBatchInput) -> Vec<Access> {
        vec![Access::new("sqs:SendMessage", arn_of_url(ctx, &input.queue_url))]
    }

    async fn handle(
        &self,
        ctx: Context,
        input: SendMessageBatchInput,
    ) -> Result<SendMessageBatchOutput, ServiceError> {
        let ids: Vec<&str> = input.entries.iter().map(|e| e.id.as_str()).collect();
        check_batch(&ids, "SendMessageBatchRequestEntry")?;
        let mut checked = Vec::new();
        let mut failed = Vec::new();
        for entry in input.entries {
            let message = super::new_message(
                &ctx,
                entry.message_body,
                entry.message_attributes,
                entry.message_system_attributes,
                (entry.message_group_id, entry.message_deduplication_id),
                entry.delay_seconds,
            );
            match message {
                Ok(message) => checked.push((entry.id, message)),
                Err(error) => failed.push(batch_error(entry.id, &error)),
            }
        }
        let bytes: usize = checked.iter().map(|(_, message)| message.bytes()).sum();
        if i64::try_from(bytes).unwrap_or(i64::MAX) > MESSAGE_BYTES_MAX {
            return Err(ServiceError::new(
                "BatchRequestTooLong",
                format!(
                    "Batch requests cannot be longer than {MESSAGE_BYTES_MAX} bytes. You have sent {bytes} bytes."
                ),
            ));
        }
        let url = input.queue_url.clone();
        let (successful, refused) = ctx
            .transact((input.queue_url, checked), |tx, ctx, input| async move {
                let (url, checked) = &*input;
                let (_, row) = require(&tx, &ctx, url).await?;
                let (mut successful, mut refused) = (Vec::new(), Vec::new());
                for (entry, message) in checked {
                    if let Err(error) = message.check(&row) {
                        refused.push(batch_error(entry.clone(), &error));
                        continue;
                    }
                    let sent = send(&tx, &row, message).await?;
                    successful.push(SendMessageBatchResultEntry {
                        id: entry.clone(),
                        message_id: sent.id,
                        md5_of_message_body: md5_of(&message.body),
                        md5_of_message_attributes: md5_of_attributes(&message.attributes),
                        md5_of_message_system_attributes: super::md5_of_trace(
                            message.trace.as_deref(),
                        ),
                        sequence_number: sent.sequence.map(shown_sequence),
                    });
                }
                Ok((successful, refused))
            })
            .await?;
        super::count(&ctx, &url, "NumberOfMessagesSent", successful.len(), "Count");
        failed.extend(refused);
        Ok(SendMessageBatchOutput { successful, failed })
    }
}
