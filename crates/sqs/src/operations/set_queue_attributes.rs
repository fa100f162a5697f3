//! `SetQueueAttributes`: changes attributes of a queue.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::Sqs;
use crate::api::sqs::operations::SetQueueAttributes;
use crate::api::sqs::shapes::{SetQueueAttributesInput, SetQueueAttributesOutput};
use crate::engine::queue::arn_of_url;
use crate::engine::queue::{check_attributes, check_throughput, require};
use crate::store::QUEUES;
use crate::tasks::spawn_retime;

impl Handler<SetQueueAttributes> for Sqs {
    fn authorize(&self, ctx: &Context, input: &SetQueueAttributesInput) -> Vec<Access> {
        vec![Access::new("sqs:SetQueueAttributes", arn_of_url(ctx, &input.queue_url))]
    }

    async fn handle(
        &self,
        ctx: Context,
        input: SetQueueAttributesInput,
    ) -> Result<SetQueueAttributesOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let (key, mut row) = require(&tx, &ctx, &input.queue_url).await?;
            let kind = input.attributes.get("FifoQueue").map(|value| value == "true");
            if kind.is_some_and(|fifo| fifo != row.is_fifo()) {
                return Err(ServiceError::new("InvalidAttributeValue", "Invalid value for the parameter FifoQueue. Reason: Modifying queue type is not supported."));
            }
            check_attributes(&tx, &ctx, &row.name, &input.attributes).await?;
            let delay_s = row.delay_s();
            for (name, value) in &input.attributes {
                if value.is_empty() {
                    row.attributes.remove(name);
                } else {
                    row.attributes.insert(name.clone(), value.clone());
                }
            }
            check_throughput(&row.attributes)?;
            if row.is_fifo() && row.delay_s() != delay_s {
                // Of a FIFO queue, the delay is that of the messages that are in it already, too.
                spawn_retime(&tx, &key, row.number)?;
            }
            row.modified_ms = tx.now_ms();
            QUEUES.put(&tx, &key, &row)?;
            Ok(SetQueueAttributesOutput::default())
        })
        .await
    }
}
