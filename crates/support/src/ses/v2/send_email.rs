//! `SendEmail`: sends a message into the mailbox: simple, raw, or by a template.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{invalid, no_template, row};
use crate::api::sesv2::operations::SendEmail;
use crate::api::sesv2::shapes::{Content, SendEmailInput, SendEmailOutput};
use crate::ses::Ses;
use crate::ses::engine::{self};
use crate::ses::store::MessageRow;

impl Handler<SendEmail> for Ses {
    fn authorize(&self, ctx: &Context, input: &SendEmailInput) -> Vec<Access> {
        match &input.from_email_address {
            Some(source) => engine::access(ctx, "SendEmail", source),
            None => engine::access_all("SendEmail"),
        }
    }

    async fn handle(
        &self,
        ctx: Context,
        input: SendEmailInput,
    ) -> Result<SendEmailOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            engine::no_configuration_set(
                input.configuration_set_name.as_ref(),
                "NotFoundException",
            )?;
            if input.endpoint_id.is_some() || input.tenant_name.is_some() {
                return Err(ServiceError::unsupported("a global endpoint or a tenant"));
            }
            if input.list_management_options.is_some() {
                return Err(ServiceError::unsupported("a contact list"));
            }
            let to = input.destination.clone().unwrap_or_default();
            let mut message = MessageRow {
                source: input.from_email_address.clone().unwrap_or_default(),
                to: to.to_addresses.unwrap_or_default(),
                cc: to.cc_addresses.unwrap_or_default(),
                bcc: to.bcc_addresses.unwrap_or_default(),
                reply_to: input.reply_to_addresses.clone().unwrap_or_default(),
                ..MessageRow::default()
            };
            let content = &input.content;
            let part =
                |content: &Option<Content>| content.as_ref().map(|content| content.data.clone());
            match (&content.simple, &content.raw, &content.template) {
                (Some(simple), None, None) => {
                    if simple.attachments.as_ref().is_some_and(|all| !all.is_empty()) {
                        return Err(ServiceError::unsupported("an attachment of a simple message"));
                    }
                    message.subject = Some(simple.subject.data.clone());
                    message.text = part(&simple.body.text);
                    message.html = part(&simple.body.html);
                }
                (None, Some(raw), None) => {
                    let all: Vec<String> = [&message.to, &message.cc, &message.bcc]
                        .into_iter()
                        .flatten()
                        .cloned()
                        .collect();
                    message = engine::raw(input.from_email_address.as_ref(), &all, &raw.data.0)?;
                }
                (None, None, Some(template)) => {
                    let row = match (&template.template_name, &template.template_content) {
                        (Some(name), None) => engine::template(&tx, &ctx, name)
                            .await?
                            .ok_or_else(|| no_template(name))?,
                        (None, Some(content)) => row(&tx, content),
                        _ => {
                            return Err(invalid(
                                "A template is told by its name, or by its content.",
                            ));
                        }
                    };
                    let data = template.template_data.as_deref().unwrap_or("{}");
                    engine::render(&mut message, &row, data)?;
                    message.template.clone_from(&template.template_name);
                    message.template_data = Some(data.to_owned());
                }
                _ => {
                    return Err(invalid(
                        "Exactly one of Simple, Raw and Template has to be given.",
                    ));
                }
            }
            Ok(SendEmailOutput { message_id: Some(engine::send(&tx, &ctx, message).await?) })
        })
        .await
    }
}
