//! `TagResource`: tags a log group.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{access, name_of_arn, require};
use crate::Logs;
use crate::api::logs::operations::TagResource;
use crate::api::logs::shapes::{TagResourceInput, TagResourceOutput};
use crate::store::GROUPS;

impl Handler<TagResource> for Logs {
    fn authorize(&self, ctx: &Context, input: &TagResourceInput) -> Vec<Access> {
        access(ctx, "TagResource", &name_of_arn(&input.resource_arn))
    }

    async fn handle(
        &self,
        ctx: Context,
        input: TagResourceInput,
    ) -> Result<TagResourceOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let (key, mut row) = require(&tx, &ctx, &name_of_arn(&input.resource_arn)).await?;
            row.tags.extend(input.tags.clone());
            GROUPS.put(&tx, &key, &row)?;
            Ok(TagResourceOutput::default())
        })
        .await
    }
}
