//! `TagResource`: adds tags.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::tagging;
use crate::Lambda;
use crate::api::lambda::operations::TagResource;
use crate::api::lambda::shapes::{TagResourceInput, TagResourceOutput};
use crate::error::invalid;
use crate::limits::TAGS_MAX;

impl Handler<TagResource> for Lambda {
    fn authorize(&self, _: &Context, input: &TagResourceInput) -> Vec<Access> {
        vec![Access::new("lambda:TagResource", &input.resource)]
    }

    async fn handle(
        &self,
        ctx: Context,
        input: TagResourceInput,
    ) -> Result<TagResourceOutput, ServiceError> {
        if input.tags.is_empty() {
            return Err(invalid("An error occurred and the request cannot be processed."));
        }
        ctx.transact(input, |tx, ctx, input| async move {
            let mut tagged = tagging::find(&tx, &ctx, &input.resource).await?;
            let tags = tagged.tags_mut();
            tags.extend(input.tags.clone());
            if tags.len() > TAGS_MAX {
                return Err(invalid("The number of tags exceeds the limit of 50."));
            }
            tagged.put(&tx)?;
            Ok(TagResourceOutput::default())
        })
        .await
    }
}
