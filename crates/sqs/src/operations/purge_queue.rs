//! `PurgeQueue`: removes all messages of a queue, at most once a minute.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::Sqs;
use crate::api::sqs::operations::PurgeQueue;
use crate::api::sqs::shapes::{PurgeQueueInput, PurgeQueueOutput};
use crate::engine::queue::arn_of_url;
use crate::engine::queue::require;
use crate::limits::PURGE_INTERVAL_MS;
use crate::store::QUEUES;
use crate::tasks::spawn_purge;

impl Handler<PurgeQueue> for Sqs {
    fn authorize(&self, ctx: &Context, input: &PurgeQueueInput) -> Vec<Access> {
        vec![Access::new("sqs:PurgeQueue", arn_of_url(ctx, &input.queue_url))]
    }

    async fn handle(
        &self,
        ctx: Context,
        input: PurgeQueueInput,
    ) -> Result<PurgeQueueOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let (key, mut row) = require(&tx, &ctx, &input.queue_url).await?;
            if row.purged_ms.is_some_and(|at| tx.now_ms() - at < PURGE_INTERVAL_MS) {
                return Err(ServiceError::new(
                    "PurgeQueueInProgress",
                    format!(
                        "Only one PurgeQueue operation on {} is allowed every 60 seconds.",
                        row.name
                    ),
                ));
            }
            row.purged_ms = Some(tx.now_ms());
            QUEUES.put(&tx, &key, &row)?;
            // Messages sent within this millisecond go, too: they were sent before the answer.
            spawn_purge(&tx, row.number, tx.now_ms() + 1)?;
            Ok(PurgeQueueOutput::default())
        })
        .await
    }
}
