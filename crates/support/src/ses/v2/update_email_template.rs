//! `UpdateEmailTemplate`: changes a template.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{no_template, row};
use crate::api::sesv2::operations::UpdateEmailTemplate;
use crate::api::sesv2::shapes::{UpdateEmailTemplateInput, UpdateEmailTemplateOutput};
use crate::ses::Ses;
use crate::ses::engine::{self};

impl Handler<UpdateEmailTemplate> for Ses {
    fn authorize(&self, _: &Context, _: &UpdateEmailTemplateInput) -> Vec<Access> {
        engine::access_all("UpdateEmailTemplate")
    }

    async fn handle(
        &self,
        ctx: Context,
        input: UpdateEmailTemplateInput,
    ) -> Result<UpdateEmailTemplateOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let row = row(&tx, &input.template_content);
            let put = engine::put_template(&tx, &ctx, &input.template_name, row, false).await?;
            put.ok_or_else(|| no_template(&input.template_name))?;
            Ok(UpdateEmailTemplateOutput::default())
        })
        .await
    }
}
