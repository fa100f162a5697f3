//! `CreateTemplate`: makes a template.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::api::ses::operations::CreateTemplate;
use crate::api::ses::shapes::{CreateTemplateInput, CreateTemplateOutput};
use crate::ses::Ses;
use crate::ses::engine::{self};
use crate::ses::store::TemplateRow;

impl Handler<CreateTemplate> for Ses {
    fn authorize(&self, _: &Context, _: &CreateTemplateInput) -> Vec<Access> {
        engine::access_all("CreateTemplate")
    }

    async fn handle(
        &self,
        ctx: Context,
        input: CreateTemplateInput,
    ) -> Result<CreateTemplateOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let given = &input.template;
            let row = TemplateRow {
                created_ms: tx.now_ms(),
                subject: given.subject_part.clone(),
                text: given.text_part.clone(),
                html: given.html_part.clone(),
            };
            let put = engine::put_template(&tx, &ctx, &given.template_name, row, true).await?;
            put.ok_or_else(|| {
                ServiceError::new(
                    "AlreadyExistsException",
                    format!(
                        "Template {} already exists for account id {}",
                        given.template_name,
                        ctx.account()
                    ),
                )
            })?;
            Ok(CreateTemplateOutput::default())
        })
        .await
    }
}
