//! `TagLogGroup`: tags a log group (the older form).

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{access, require};
use crate::Logs;
use crate::api::logs::operations::TagLogGroup;
use crate::api::logs::shapes::{TagLogGroupInput, TagLogGroupOutput};
use crate::store::GROUPS;

impl Handler<TagLogGroup> for Logs {
    fn authorize(&self, ctx: &Context, input: &TagLogGroupInput) -> Vec<Access> {
        access(ctx, "TagLogGroup", &input.log_group_name)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: TagLogGroupInput,
    ) -> Result<TagLogGroupOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let (key, mut row) = require(&tx, &ctx, &input.log_group_name).await?;
            row.tags.extend(input.tags.clone());
            GROUPS.put(&tx, &key, &row)?;
            Ok(TagLogGroupOutput::default())
        })
        .await
    }
}
