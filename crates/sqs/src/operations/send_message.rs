//! `SendMessage`: appends one message to a queue.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::Sqs;
use crate::api::sqs::operations::SendMessage;
use crate::api::sqs::shapes::{SendMessageInput, SendMessageOutput};
use crate::engine::message::{md5_of, md5_of_attributes, shown_sequence};
use crate::engine::queue::arn_of_url;
use crate::engine::queue::require;
use crate::engine::send;

impl Handler<SendMessage> for Sqs {
    fn authorize(&self, ctx: &Context, input: &SendMessageInput) -> Vec<Access> {
        vec![Access::new("sqs:SendMessage", arn_of_url(ctx, &input.queue_url))]
    }

    async fn handle(
        &self,
        ctx: Context,
        input: SendMessageInput,
    ) -> Result<SendMessageOutput, ServiceError> {
        let message = super::new_message(
            &ctx,
            input.message_body,
            input.message_attributes,
            input.message_system_attributes,
            (input.message_group_id, input.message_deduplication_id),
            input.delay_seconds,
        )?;
        let md5_of_message_body = Some(md5_of(&message.body));
        let md5_of_message_attributes = md5_of_attributes(&message.attributes);
        let md5_of_message_system_attributes = super::md5_of_trace(message.trace.as_deref());
        let (url, bytes) = (input.queue_url.clone(), message.bytes());
        let sent = ctx
            .transact((input.queue_url, message), |tx, ctx, input| async move {
                let (url, message) = &*input;
                let (_, row) = require(&tx, &ctx, url).await?;
                message.check(&row)?;
                send(&tx, &row, message).await
            })
            .await?;
        super::count(&ctx, &url, "NumberOfMessagesSent", 1, "Count");
        super::count(&ctx, &url, "SentMessageSize", bytes, "Bytes");
        Ok(SendMessageOutput {
            md5_of_message_body,
            md5_of_message_attributes,
            md5_of_message_system_attributes,
            message_id: Some(sent.id),
            sequence_number: sent.sequence.map(shown_sequence),
        })
    }
}
