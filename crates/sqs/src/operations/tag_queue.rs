//! `TagQueue`: tags a queue.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::Sqs;
use crate::api::sqs::operations::TagQueue;
use crate::api::sqs::shapes::{TagQueueInput, TagQueueOutput};
use crate::engine::queue::arn_of_url;
use crate::engine::queue::require;
use crate::error::parameter;
use crate::limits::TAGS_MAX;
use crate::store::QUEUES;

impl Handler<TagQueue> for Sqs {
    fn authorize(&self, ctx: &Context, input: &TagQueueInput) -> Vec<Access> {
        vec![Access::new("sqs:TagQueue", arn_of_url(ctx, &input.queue_url))]
    }

    async fn handle(
        &self,
        ctx: Context,
        input: TagQueueInput,
    ) -> Result<TagQueueOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let (key, mut row) = require(&tx, &ctx, &input.queue_url).await?;
            row.tags.extend(input.tags.clone());
            if row.tags.len() > TAGS_MAX {
                return Err(parameter(format!("Too many tags added for queue {}.", row.name)));
            }
            QUEUES.put(&tx, &key, &row)?;
            Ok(TagQueueOutput::default())
        })
        .await
    }
}
