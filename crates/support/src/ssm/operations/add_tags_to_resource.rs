//! `AddTagsToResource`: tags a parameter.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{access, resource};
use crate::api::ssm::operations::AddTagsToResource;
use crate::api::ssm::shapes::{AddTagsToResourceInput, AddTagsToResourceOutput};
use crate::ssm::Ssm;
use crate::ssm::store::PARAMETERS;

impl Handler<AddTagsToResource> for Ssm {
    fn authorize(&self, ctx: &Context, input: &AddTagsToResourceInput) -> Vec<Access> {
        access(ctx, "AddTagsToResource", &input.resource_id)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: AddTagsToResourceInput,
    ) -> Result<AddTagsToResourceOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let (key, mut row) =
                resource(&tx, &ctx, &input.resource_type, &input.resource_id).await?;
            row.tags.extend(input.tags.iter().map(|t| (t.key.clone(), t.value.clone())));
            PARAMETERS.put(&tx, &key, &row)?;
            Ok(AddTagsToResourceOutput::default())
        })
        .await
    }
}
