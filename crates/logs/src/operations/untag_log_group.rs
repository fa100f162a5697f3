//! `UntagLogGroup`: removes tags of a log group (the older form).

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{access, require};
use crate::Logs;
use crate::api::logs::operations::UntagLogGroup;
use crate::api::logs::shapes::{UntagLogGroupInput, UntagLogGroupOutput};
use crate::store::GROUPS;

impl Handler<UntagLogGroup> for Logs {
    fn authorize(&self, ctx: &Context, input: &UntagLogGroupInput) -> Vec<Access> {
        access(ctx, "UntagLogGroup", &input.log_group_name)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: UntagLogGroupInput,
    ) -> Result<UntagLogGroupOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let (key, mut row) = require(&tx, &ctx, &input.log_group_name).await?;
            row.tags.retain(|key, _| !input.tags.contains(key));
            GROUPS.put(&tx, &key, &row)?;
            Ok(UntagLogGroupOutput::default())
        })
        .await
    }
}
