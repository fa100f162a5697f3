//! `ListTemplates`: the templates.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::api::ses::operations::ListTemplates;
use crate::api::ses::shapes::{ListTemplatesInput, ListTemplatesOutput, TemplateMetadata};
use crate::ses::Ses;
use crate::ses::engine::{self};
use undercast_smithy::Timestamp;

impl Handler<ListTemplates> for Ses {
    fn authorize(&self, _: &Context, _: &ListTemplatesInput) -> Vec<Access> {
        engine::access_all("ListTemplates")
    }

    async fn handle(
        &self,
        ctx: Context,
        input: ListTemplatesInput,
    ) -> Result<ListTemplatesOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let (all, next_token) =
                engine::templates(&tx, &ctx, input.next_token.as_ref(), input.max_items).await?;
            let all = all.into_iter().map(|(name, at)| TemplateMetadata {
                name: Some(name),
                created_timestamp: Some(Timestamp::from_millis(at)),
            });
            Ok(ListTemplatesOutput { templates_metadata: Some(all.collect()), next_token })
        })
        .await
    }
}
