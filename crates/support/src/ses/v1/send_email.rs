//! `SendEmail`: sends a message into the mailbox.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::api::ses::operations::SendEmail;
use crate::api::ses::shapes::{Content, SendEmailInput, SendEmailOutput};
use crate::ses::Ses;
use crate::ses::engine::{self};
use crate::ses::store::MessageRow;

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
            engine::no_configuration_set(
                input.configuration_set_name.as_ref(),
                "ConfigurationSetDoesNotExistException",
            )?;
            let to = &input.destination;
            let mut message = MessageRow {
                source: input.source.clone(),
                to: to.to_addresses.clone().unwrap_or_default(),
                cc: to.cc_addresses.clone().unwrap_or_default(),
                bcc: to.bcc_addresses.clone().unwrap_or_default(),
                reply_to: input.reply_to_addresses.clone().unwrap_or_default(),
                ..MessageRow::default()
            };
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
