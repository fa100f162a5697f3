//! `ListTags`: the tags of a function or mapping.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::tagging;
use crate::Lambda;
use crate::api::lambda::operations::ListTags;
use crate::api::lambda::shapes::{ListTagsInput, ListTagsOutput};

impl Handler<ListTags> for Lambda {
    fn authorize(&self, _: &Context, input: &ListTagsInput) -> Vec<Access> {
        vec![Access::new("lambda:ListTags", &input.resource)]
    }

    async fn handle(
        &self,
        ctx: Context,
        input: ListTagsInput,
    ) -> Result<ListTagsOutput, ServiceError> {
        let tx = ctx.store().begin().await?;
        let tagged = tagging::find(&tx, &ctx, &input.resource).await?;
        Ok(ListTagsOutput { tags: Some(tagged.tags().clone()) })
    }
}
