//! `UntagResource`: removes tags of a repository.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{access_arn, name_of, require};
use crate::api::ecr::operations::UntagResource;
use crate::api::ecr::shapes::{UntagResourceInput, UntagResourceOutput};
use crate::ecr::Ecr;
use crate::ecr::store::REPOSITORIES;

impl Handler<UntagResource> for Ecr {
    fn authorize(&self, _: &Context, input: &UntagResourceInput) -> Vec<Access> {
        access_arn("UntagResource", &input.resource_arn)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: UntagResourceInput,
    ) -> Result<UntagResourceOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let (key, mut row) = require(&tx, &ctx, name_of(&input.resource_arn)).await?;
            row.tags.retain(|key, _| !input.tag_keys.contains(key));
            REPOSITORIES.put(&tx, &key, &row)?;
            Ok(UntagResourceOutput::default())
        })
        .await
    }
}
