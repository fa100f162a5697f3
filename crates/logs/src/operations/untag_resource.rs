//! `UntagResource`: removes tags of a log group.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{access, name_of_arn, require};
use crate::Logs;
use crate::api::logs::operations::UntagResource;
use crate::api::logs::shapes::{UntagResourceInput, UntagResourceOutput};
use crate::store::GROUPS;

impl Handler<UntagResource> for Logs {
    fn authorize(&self, ctx: &Context, input: &UntagResourceInput) -> Vec<Access> {
        access(ctx, "UntagResource", &name_of_arn(&input.resource_arn))
    }

    async fn handle(
        &self,
        ctx: Context,
        input: UntagResourceInput,
    ) -> Result<UntagResourceOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let (key, mut row) = require(&tx, &ctx, &name_of_arn(&input.resource_arn)).await?;
            row.tags.retain(|key, _| !input.tag_keys.contains(key));
            GROUPS.put(&tx, &key, &row)?;
            Ok(UntagResourceOutput::default())
        })
        .await
    }
}
