//! `ListQueueTags`: the tags of a queue.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::Sqs;
use crate::api::sqs::operations::ListQueueTags;
use crate::api::sqs::shapes::{ListQueueTagsInput, ListQueueTagsOutput};
use crate::engine::queue::arn_of_url;
use crate::engine::queue::require;

impl Handler<ListQueueTags> for Sqs {
    fn authorize(&self, ctx: &Context, input: &ListQueueTagsInput) -> Vec<Access> {
        vec![Access::new("sqs:ListQueueTags", arn_of_url(ctx, &input.queue_url))]
    }

    async fn handle(
        &self,
        ctx: Context,
        input: ListQueueTagsInput,
    ) -> Result<ListQueueTagsOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let (_, row) = require(&tx, &ctx, &input.queue_url).await?;
            Ok(ListQueueTagsOutput { tags: Some(row.tags).filter(|t| !t.is_empty()) })
        })
        .await
    }
}
