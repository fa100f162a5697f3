//! `DeleteMetricFilter`: deletes a metric filter.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{access, require};
use crate::Logs;
use crate::api::logs::operations::DeleteMetricFilter;
use crate::api::logs::shapes::{DeleteMetricFilterInput, DeleteMetricFilterOutput};
use crate::store::{FILTERS, GROUPS};

impl Handler<DeleteMetricFilter> for Logs {
    fn authorize(&self, ctx: &Context, input: &DeleteMetricFilterInput) -> Vec<Access> {
        access(ctx, "DeleteMetricFilter", &input.log_group_name)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: DeleteMetricFilterInput,
    ) -> Result<DeleteMetricFilterOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let (key, mut group) = require(&tx, &ctx, &input.log_group_name).await?;
            let own = (group.number, input.filter_name.clone());
            if FILTERS.get(&tx, &own).await?.is_none() {
                return Err(ServiceError::new(
                    "ResourceNotFoundException",
                    "The specified metric filter does not exist.",
                ));
            }
            FILTERS.delete(&tx, &own)?;
            group.filters = group.filters.saturating_sub(1);
            GROUPS.put(&tx, &key, &group)?;
            Ok(DeleteMetricFilterOutput::default())
        })
        .await
    }
}
