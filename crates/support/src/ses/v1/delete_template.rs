//! `DeleteTemplate`: deletes a template.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::api::ses::operations::DeleteTemplate;
use crate::api::ses::shapes::{DeleteTemplateInput, DeleteTemplateOutput};
use crate::ses::Ses;
use crate::ses::engine::{self};
use crate::ses::store::TEMPLATES;

impl Handler<DeleteTemplate> for Ses {
    fn authorize(&self, _: &Context, _: &DeleteTemplateInput) -> Vec<Access> {
        engine::access_all("DeleteTemplate")
    }

    async fn handle(
        &self,
        ctx: Context,
        input: DeleteTemplateInput,
    ) -> Result<DeleteTemplateOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            TEMPLATES.delete(&tx, &engine::key(&ctx, &input.template_name))?;
            Ok(DeleteTemplateOutput::default())
        })
        .await
    }
}
