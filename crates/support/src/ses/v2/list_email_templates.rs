//! `ListEmailTemplates`: the templates.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::api::sesv2::operations::ListEmailTemplates;
use crate::api::sesv2::shapes::{
    EmailTemplateMetadata, ListEmailTemplatesInput, ListEmailTemplatesOutput,
};
use crate::ses::Ses;
use crate::ses::engine::{self};
use undercast_smithy::Timestamp;

impl Handler<ListEmailTemplates> for Ses {
    fn authorize(&self, _: &Context, _: &ListEmailTemplatesInput) -> Vec<Access> {
        engine::access_all("ListEmailTemplates")
    }

    async fn handle(
        &self,
        ctx: Context,
        input: ListEmailTemplatesInput,
    ) -> Result<ListEmailTemplatesOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let (all, next_token) =
                engine::templates(&tx, &ctx, input.next_token.as_ref(), input.page_size).await?;
            let all = all.into_iter().map(|(name, at)| EmailTemplateMetadata {
                template_name: Some(name),
                created_timestamp: Some(Timestamp::from_millis(at)),
            });
            Ok(ListEmailTemplatesOutput { templates_metadata: Some(all.collect()), next_token })
        })
        .await
    }
}
