//! `UntagQueue`: removes tags of a queue.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::Sqs;
use crate::api::sqs::operations::UntagQueue;
use crate::api::sqs::shapes::{UntagQueueInput, UntagQueueOutput};
use crate::engine::queue::arn_of_url;
use crate::engine::queue::require;
use crate::store::QUEUES;

impl Handler<UntagQueue> for Sqs {
    fn authorize(&self, ctx: &Context, input: &UntagQueueInput) -> Vec<Access> {
        vec![Access::new("sqs:UntagQueue", arn_of_url(ctx, &input.queue_url))]
    }

    async fn handle(
        &self,
        ctx: Context,
        input: UntagQueueInput,
    ) -> Result<UntagQueueOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let (key, mut row) = require(&tx, &ctx, &input.queue_url).await?;
            row.tags.retain(|name, _| !input.tag_keys.contains(name));
            QUEUES.put(&tx, &key, &row)?;
            Ok(UntagQueueOutput::default())
        })
        .await
    }
}
