//! `DeleteRetentionPolicy`: a group keeps its events for ever again.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{access, require};
use crate::Logs;
use crate::api::logs::operations::DeleteRetentionPolicy;
use crate::api::logs::shapes::{DeleteRetentionPolicyInput, DeleteRetentionPolicyOutput};
use crate::store::GROUPS;

impl Handler<DeleteRetentionPolicy> for Logs {
    fn authorize(&self, ctx: &Context, input: &DeleteRetentionPolicyInput) -> Vec<Access> {
        access(ctx, "DeleteRetentionPolicy", &input.log_group_name)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: DeleteRetentionPolicyInput,
    ) -> Result<DeleteRetentionPolicyOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let (key, mut row) = require(&tx, &ctx, &input.log_group_name).await?;
            row.retention_days = None;
            GROUPS.put(&tx, &key, &row)?;
            Ok(DeleteRetentionPolicyOutput::default())
        })
        .await
    }
}
