//! `ListTagsLogGroup`: the tags of a log group.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{access, require};
use crate::Logs;
use crate::api::logs::operations::ListTagsLogGroup;
use crate::api::logs::shapes::{ListTagsLogGroupInput, ListTagsLogGroupOutput};

impl Handler<ListTagsLogGroup> for Logs {
    fn authorize(&self, ctx: &Context, input: &ListTagsLogGroupInput) -> Vec<Access> {
        access(ctx, "ListTagsLogGroup", &input.log_group_name)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: ListTagsLogGroupInput,
    ) -> Result<ListTagsLogGroupOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let (_, row) = require(&tx, &ctx, &input.log_group_name).await?;
            Ok(ListTagsLogGroupOutput { tags: Some(row.tags) })
        })
        .await
    }
}
