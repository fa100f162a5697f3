//! `UntagResource`: removes tags.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::tagging;
use crate::Lambda;
use crate::api::lambda::operations::UntagResource;
use crate::api::lambda::shapes::{UntagResourceInput, UntagResourceOutput};

impl Handler<UntagResource> for Lambda {
    fn authorize(&self, _: &Context, input: &UntagResourceInput) -> Vec<Access> {
        vec![Access::new("lambda:UntagResource", &input.resource)]
    }

    async fn handle(
        &self,
        ctx: Context,
        input: UntagResourceInput,
    ) -> Result<UntagResourceOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let mut tagged = tagging::find(&tx, &ctx, &input.resource).await?;
            tagged.tags_mut().retain(|key, _| !input.tag_keys.contains(key));
            tagged.put(&tx)?;
            Ok(UntagResourceOutput::default())
        })
        .await
    }
}
