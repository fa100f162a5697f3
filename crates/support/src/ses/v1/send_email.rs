//! `SendEmail`: sends a message into the mailbox.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::envelope;
use crate::api::ses::operations::SendEmail;
use crate::api::ses::shapes::{Content, SendEmailInput, SendEmailOutput};
use crate::ses::Ses;
use crate::ses::engine::{self};

impl Handler<SendEmail> for Ses {
    fn authorize(&self, ctx: &Context, input: &SendEmailInput) -> Vec<Access> {
        engine::access(ctx, "SendEmail", &input.source)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: SendEmailInput,
    ) -> Result<SendEmailOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let mut message = envelope(
                &input.source,
                &input.destination,
                input.reply_to_addresses.as_ref(),
                input.configuration_set_name.as_ref(),
            )?;
            let part =
                |content: &Option<Content>| content.as_ref().map(|content| content.data.clone());
            message.subject = Some(input.message.subject.data.clone());
            message.text = part(&input.message.body.text);
            message.html = part(&input.message.body.html);
            Ok(SendEmailOutput { message_id: engine::send(&tx, &ctx, message).await? })
        })
        .await
    }
}
