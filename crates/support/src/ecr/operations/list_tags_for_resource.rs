//! `ListTagsForResource`: the tags of a repository.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{access_arn, name_of, require};
use crate::api::ecr::operations::ListTagsForResource;
use crate::api::ecr::shapes::{ListTagsForResourceInput, ListTagsForResourceOutput, Tag};
use crate::ecr::Ecr;

impl Handler<ListTagsForResource> for Ecr {
    fn authorize(&self, _: &Context, input: &ListTagsForResourceInput) -> Vec<Access> {
        access_arn("ListTagsForResource", &input.resource_arn)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: ListTagsForResourceInput,
    ) -> Result<ListTagsForResourceOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let (_, row) = require(&tx, &ctx, name_of(&input.resource_arn)).await?;
            let tags = row.tags.into_iter().map(|(key, value)| Tag { key, value }).collect();
            Ok(ListTagsForResourceOutput { tags: Some(tags) })
        })
        .await
    }
}
