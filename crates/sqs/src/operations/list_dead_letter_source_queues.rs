//! `ListDeadLetterSourceQueues`: the queues whose dead letters come to this one.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::Sqs;
use crate::api::sqs::operations::ListDeadLetterSourceQueues;
use crate::api::sqs::shapes::{ListDeadLetterSourceQueuesInput, ListDeadLetterSourceQueuesOutput};
use crate::engine::queue::arn_of_url;
use crate::engine::queue::{arn, require, url};
use crate::store::QUEUES;

impl Handler<ListDeadLetterSourceQueues> for Sqs {
    fn authorize(&self, ctx: &Context, input: &ListDeadLetterSourceQueuesInput) -> Vec<Access> {
        vec![Access::new("sqs:ListDeadLetterSourceQueues", arn_of_url(ctx, &input.queue_url))]
    }

    async fn handle(
        &self,
        ctx: Context,
        input: ListDeadLetterSourceQueuesInput,
    ) -> Result<ListDeadLetterSourceQueuesOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let (key, _) = require(&tx, &ctx, &input.queue_url).await?;
            let own = arn(&ctx.within(&key.0, &key.1), &key.2);
            let rows = QUEUES
                .scan(&tx, QUEUES.prefix(&(key.0.clone(), key.1.clone())), 100_000, false)
                .await?;
            let sources = rows
                .into_iter()
                .filter(|(_, row)| row.redrive().is_some_and(|r| r.target_arn == own));
            let queue_urls = sources.map(|(key, _)| url(&ctx, &key.2)).collect();
            Ok(ListDeadLetterSourceQueuesOutput { queue_urls, next_token: None })
        })
        .await
    }
}
