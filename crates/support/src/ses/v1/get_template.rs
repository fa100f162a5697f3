//! `GetTemplate`: a template.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::no_template;
use crate::api::ses::operations::GetTemplate;
use crate::api::ses::shapes::{GetTemplateInput, GetTemplateOutput, Template};
use crate::ses::Ses;
use crate::ses::engine::{self};

impl Handler<GetTemplate> for Ses {
    fn authorize(&self, _: &Context, _: &GetTemplateInput) -> Vec<Access> {
        engine::access_all("GetTemplate")
    }

    async fn handle(
        &self,
        ctx: Context,
        input: GetTemplateInput,
    ) -> Result<GetTemplateOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let row = engine::template(&tx, &ctx, &input.template_name).await?;
            let row = row.ok_or_else(|| no_template(&input.template_name))?;
            let template = Template {
                template_name: input.template_name.clone(),
                subject_part: row.subject,
                text_part: row.text,
                html_part: row.html,
            };
            Ok(GetTemplateOutput { template: Some(template) })
        })
        .await
    }
}
