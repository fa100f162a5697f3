//! `DeleteQueue`: deletes a queue and its messages.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::Sqs;
use crate::api::sqs::operations::DeleteQueue;
use crate::api::sqs::shapes::{DeleteQueueInput, DeleteQueueOutput};
use crate::engine::queue::arn_of_url;
use crate::engine::queue::require;
use crate::store::QUEUES;
use crate::tasks::spawn_purge;

impl Handler<DeleteQueue> for Sqs {
    fn authorize(&self, ctx: &Context, input: &DeleteQueueInput) -> Vec<Access> {
        vec![Access::new("sqs:DeleteQueue", arn_of_url(ctx, &input.queue_url))]
    }

    async fn handle(
        &self,
        ctx: Context,
        input: DeleteQueueInput,
    ) -> Result<DeleteQueueOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let (key, row) = require(&tx, &ctx, &input.queue_url).await?;
            QUEUES.delete(&tx, &key)?;
            spawn_purge(&tx, row.number, i64::MAX)
        })
        .await?;
        Ok(DeleteQueueOutput::default())
    }
}
