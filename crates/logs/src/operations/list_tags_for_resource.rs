//! `ListTagsForResource`: the tags of a log group.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{access, name_of_arn, require};
use crate::Logs;
use crate::api::logs::operations::ListTagsForResource;
use crate::api::logs::shapes::{ListTagsForResourceInput, ListTagsForResourceOutput};

impl Handler<ListTagsForResource> for Logs {
    fn authorize(&self, ctx: &Context, input: &ListTagsForResourceInput) -> Vec<Access> {
        access(ctx, "ListTagsForResource", &name_of_arn(&input.resource_arn))
    }

    async fn handle(
        &self,
        ctx: Context,
        input: ListTagsForResourceInput,
    ) -> Result<ListTagsForResourceOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let (_, row) = require(&tx, &ctx, &name_of_arn(&input.resource_arn)).await?;
            Ok(ListTagsForResourceOutput { tags: Some(row.tags) })
        })
        .await
    }
}
