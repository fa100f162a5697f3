//! `RemoveTagsFromResource`: removes tags of a parameter.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{access, resource};
use crate::api::ssm::operations::RemoveTagsFromResource;
use crate::api::ssm::shapes::{RemoveTagsFromResourceInput, RemoveTagsFromResourceOutput};
use crate::ssm::Ssm;
use crate::ssm::store::PARAMETERS;

impl Handler<RemoveTagsFromResource> for Ssm {
    fn authorize(&self, ctx: &Context, input: &RemoveTagsFromResourceInput) -> Vec<Access> {
        access(ctx, "RemoveTagsFromResource", &input.resource_id)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: RemoveTagsFromResourceInput,
    ) -> Result<RemoveTagsFromResourceOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let (key, mut row) =
                resource(&tx, &ctx, &input.resource_type, &input.resource_id).await?;
            row.tags.retain(|key, _| !input.tag_keys.contains(key));
            PARAMETERS.put(&tx, &key, &row)?;
            Ok(RemoveTagsFromResourceOutput::default())
        })
        .await
    }
}
