//! `SendRawEmail`: sends a message that the sender made.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::api::ses::operations::SendRawEmail;
use crate::api::ses::shapes::{SendRawEmailInput, SendRawEmailOutput};
use crate::ses::Ses;
use crate::ses::engine::{self};

impl Handler<SendRawEmail> for Ses {
    fn authorize(&self, ctx: &Context, input: &SendRawEmailInput) -> Vec<Access> {
        match &input.source {
            Some(source) => engine::access(ctx, "SendRawEmail", source),
            None => engine::access_all("SendRawEmail"),
        }
    }

    async fn handle(
        &self,
        ctx: Context,
        input: SendRawEmailInput,
    ) -> Result<SendRawEmailOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            engine::no_configuration_set(
                input.configuration_set_name.as_ref(),
                "ConfigurationSetDoesNotExistException",
            )?;
            let to = input.destinations.as_deref().unwrap_or_default();
            let message = engine::raw(input.source.as_ref(), to, &input.raw_message.data.0)?;
            Ok(SendRawEmailOutput { message_id: engine::send(&tx, &ctx, message).await? })
        })
        .await
    }
}
