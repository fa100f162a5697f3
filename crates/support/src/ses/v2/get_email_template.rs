//! `GetEmailTemplate`: a template.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::no_template;
use crate::api::sesv2::operations::GetEmailTemplate;
use crate::api::sesv2::shapes::{
    EmailTemplateContent, GetEmailTemplateInput, GetEmailTemplateOutput,
};
use crate::ses::Ses;
use crate::ses::engine::{self};

impl Handler<GetEmailTemplate> for Ses {
    fn authorize(&self, _: &Context, _: &GetEmailTemplateInput) -> Vec<Access> {
        engine::access_all("GetEmailTemplate")
    }

    async fn handle(
        &self,
        ctx: Context,
        input: GetEmailTemplateInput,
    ) -> Result<GetEmailTemplateOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let row = engine::template(&tx, &ctx, &input.template_name).await?;
            let row = row.ok_or_else(|| no_template(&input.template_name))?;
            Ok(GetEmailTemplateOutput {
                template_name: input.template_name.clone(),
                template_content: EmailTemplateContent {
                    subject: row.subject,
                    text: row.text,
                    html: row.html,
                },
                tags: None,
            })
        })
        .await
    }
}
