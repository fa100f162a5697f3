//! `SendTemplatedEmail`: sends what a template makes of some data.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{envelope, no_template};
use crate::api::ses::operations::SendTemplatedEmail;
use crate::api::ses::shapes::{SendTemplatedEmailInput, SendTemplatedEmailOutput};
use crate::ses::Ses;
use crate::ses::engine::{self};

impl Handler<SendTemplatedEmail> for Ses {
    fn authorize(&self, ctx: &Context, input: &SendTemplatedEmailInput) -> Vec<Access> {
        engine::access(ctx, "SendTemplatedEmail", &input.source)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: SendTemplatedEmailInput,
    ) -> Result<SendTemplatedEmailOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let mut message = envelope(
                &input.source,
                &input.destination,
                input.reply_to_addresses.as_ref(),
                input.configuration_set_name.as_ref(),
            )?;
            let template = engine::template(&tx, &ctx, &input.template).await?;
            let template = template.ok_or_else(|| no_template(&input.template))?;
            engine::render(&mut message, &template, &input.template_data)?;
            message.template = Some(input.template.clone());
            message.template_data = Some(input.template_data.clone());
            Ok(SendTemplatedEmailOutput { message_id: engine::send(&tx, &ctx, message).await? })
        })
        .await
    }
}
