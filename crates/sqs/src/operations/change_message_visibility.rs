//! `ChangeMessageVisibility`: sets anew how long a received message is hidden.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::Sqs;
use crate::api::sqs::operations::ChangeMessageVisibility;
use crate::api::sqs::shapes::{ChangeMessageVisibilityInput, ChangeMessageVisibilityOutput};
use crate::engine::change_visibility;
use crate::engine::message::Handle;
use crate::engine::queue::arn_of_url;
use crate::engine::queue::require;

impl Handler<ChangeMessageVisibility> for Sqs {
    fn authorize(&self, ctx: &Context, input: &ChangeMessageVisibilityInput) -> Vec<Access> {
        vec![Access::new("sqs:ChangeMessageVisibility", arn_of_url(ctx, &input.queue_url))]
    }

    async fn handle(
        &self,
        ctx: Context,
        input: ChangeMessageVisibilityInput,
    ) -> Result<ChangeMessageVisibilityOutput, ServiceError> {
        super::check_visibility(input.visibility_timeout)?;
        ctx.transact(input, |tx, ctx, input| async move {
            let (_, row) = require(&tx, &ctx, &input.queue_url).await?;
            let handle = Handle::decode(&input.receipt_handle, row.number)?;
            if !change_visibility(&tx, &row, &handle, i64::from(input.visibility_timeout)).await? {
                return Err(super::not_in_flight(&input.receipt_handle));
            }
            Ok(ChangeMessageVisibilityOutput::default())
        })
        .await
    }
}
