//! `DeleteEmailTemplate`: deletes a template.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::no_template;
use crate::api::sesv2::operations::DeleteEmailTemplate;
use crate::api::sesv2::shapes::{DeleteEmailTemplateInput, DeleteEmailTemplateOutput};
use crate::ses::Ses;
use crate::ses::engine::{self};
use crate::ses::store::TEMPLATES;

impl Handler<DeleteEmailTemplate> for Ses {
    fn authorize(&self, _: &Context, _: &DeleteEmailTemplateInput) -> Vec<Access> {
        engine::access_all("DeleteEmailTemplate")
    }

    async fn handle(
        &self,
        ctx: Context,
        input: DeleteEmailTemplateInput,
    ) -> Result<DeleteEmailTemplateOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let key = engine::key(&ctx, &input.template_name);
            if TEMPLATES.get(&tx, &key).await?.is_none() {
                return Err(no_template(&input.template_name));
            }
            TEMPLATES.delete(&tx, &key)?;
            Ok(DeleteEmailTemplateOutput::default())
        })
        .await
    }
}
