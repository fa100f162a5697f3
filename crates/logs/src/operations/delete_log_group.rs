//! `DeleteLogGroup`: deletes a log group with all its streams and events.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{access, require};
use crate::Logs;
use crate::api::logs::operations::DeleteLogGroup;
use crate::api::logs::shapes::{DeleteLogGroupInput, DeleteLogGroupOutput};
use crate::store::GROUPS;
use crate::{filters, tasks};

impl Handler<DeleteLogGroup> for Logs {
    fn authorize(&self, ctx: &Context, input: &DeleteLogGroupInput) -> Vec<Access> {
        access(ctx, "DeleteLogGroup", &input.log_group_name)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: DeleteLogGroupInput,
    ) -> Result<DeleteLogGroupOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let (key, row) = require(&tx, &ctx, &input.log_group_name).await?;
            GROUPS.delete(&tx, &key)?;
            filters::drop_all(&tx, row.number).await?;
            tasks::spawn_drop(&tx, row.number)?;
            Ok(DeleteLogGroupOutput::default())
        })
        .await
    }
}
