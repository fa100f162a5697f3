//! `DeleteSubscriptionFilter`: deletes a subscription filter.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{access, require};
use crate::Logs;
use crate::api::logs::operations::DeleteSubscriptionFilter;
use crate::api::logs::shapes::{DeleteSubscriptionFilterInput, DeleteSubscriptionFilterOutput};
use crate::store::{GROUPS, SUBSCRIPTIONS};

impl Handler<DeleteSubscriptionFilter> for Logs {
    fn authorize(&self, ctx: &Context, input: &DeleteSubscriptionFilterInput) -> Vec<Access> {
        access(ctx, "DeleteSubscriptionFilter", &input.log_group_name)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: DeleteSubscriptionFilterInput,
    ) -> Result<DeleteSubscriptionFilterOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let (key, mut group) = require(&tx, &ctx, &input.log_group_name).await?;
            let own = (group.number, input.filter_name.clone());
            if SUBSCRIPTIONS.get(&tx, &own).await?.is_none() {
                return Err(ServiceError::new(
                    "ResourceNotFoundException",
                    "The specified subscription filter does not exist.",
                ));
            }
            SUBSCRIPTIONS.delete(&tx, &own)?;
            group.subscriptions = group.subscriptions.saturating_sub(1);
            GROUPS.put(&tx, &key, &group)?;
            Ok(DeleteSubscriptionFilterOutput::default())
        })
        .await
    }
}
