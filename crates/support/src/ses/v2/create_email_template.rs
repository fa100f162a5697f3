//! `CreateEmailTemplate`: makes a template.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::row;
use crate::api::sesv2::operations::CreateEmailTemplate;
use crate::api::sesv2::shapes::{CreateEmailTemplateInput, CreateEmailTemplateOutput};
use crate::ses::Ses;
use crate::ses::engine::{self};

impl Handler<CreateEmailTemplate> for Ses {
    fn authorize(&self, _: &Context, _: &CreateEmailTemplateInput) -> Vec<Access> {
        engine::access_all("CreateEmailTemplate")
    }

    async fn handle(
        &self,
        ctx: Context,
        input: CreateEmailTemplateInput,
    ) -> Result<CreateEmailTemplateOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let row = row(&tx, &input.template_content);
            let put = engine::put_template(&tx, &ctx, &input.template_name, row, true).await?;
            put.ok_or_else(|| {
                ServiceError::new(
                    "AlreadyExistsException",
                    format!("Template {} already exists.", input.template_name),
                )
            })?;
            Ok(CreateEmailTemplateOutput::default())
        })
        .await
    }
}
