//! `UpdateTemplate`: changes a template.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::no_template;
use crate::api::ses::operations::UpdateTemplate;
use crate::api::ses::shapes::{UpdateTemplateInput, UpdateTemplateOutput};
use crate::ses::Ses;
use crate::ses::engine::{self};
use crate::ses::store::TemplateRow;

impl Handler<UpdateTemplate> for Ses {
    fn authorize(&self, _: &Context, _: &UpdateTemplateInput) -> Vec<Access> {
        engine::access_all("UpdateTemplate")
    }

    async fn handle(
        &self,
        ctx: Context,
        input: UpdateTemplateInput,
    ) -> Result<UpdateTemplateOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let given = &input.template;
            let row = TemplateRow {
                created_ms: tx.now_ms(),
                subject: given.subject_part.clone(),
                text: given.text_part.clone(),
                html: given.html_part.clone(),
            };
            let put = engine::put_template(&tx, &ctx, &given.template_name, row, false).await?;
            put.ok_or_else(|| no_template(&given.template_name))?;
            Ok(UpdateTemplateOutput::default())
        })
        .await
    }
}
