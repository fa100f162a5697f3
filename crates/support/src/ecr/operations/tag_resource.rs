//! `TagResource`: tags a repository.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{access_arn, name_of, require};
use crate::api::ecr::operations::TagResource;
use crate::api::ecr::shapes::{TagResourceInput, TagResourceOutput};
use crate::ecr::Ecr;
use crate::ecr::store::REPOSITORIES;

impl Handler<TagResource> for Ecr {
    fn authorize(&self, _: &Context, input: &TagResourceInput) -> Vec<Access> {
        access_arn("TagResource", &input.resource_arn)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: TagResourceInput,
    ) -> Result<TagResourceOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let (key, mut row) = require(&tx, &ctx, name_of(&input.resource_arn)).await?;
            row.tags.extend(input.tags.iter().map(|t| (t.key.clone(), t.value.clone())));
            REPOSITORIES.put(&tx, &key, &row)?;
            Ok(TagResourceOutput::default())
        })
        .await
    }
}
