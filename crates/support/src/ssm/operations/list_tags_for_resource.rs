//! `ListTagsForResource`: the tags of a parameter.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{access, resource};
use crate::api::ssm::operations::ListTagsForResource;
use crate::api::ssm::shapes::{ListTagsForResourceInput, ListTagsForResourceOutput, Tag};
use crate::ssm::Ssm;

impl Handler<ListTagsForResource> for Ssm {
    fn authorize(&self, ctx: &Context, input: &ListTagsForResourceInput) -> Vec<Access> {
        access(ctx, "ListTagsForResource", &input.resource_id)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: ListTagsForResourceInput,
    ) -> Result<ListTagsForResourceOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let (_, row) = resource(&tx, &ctx, &input.resource_type, &input.resource_id).await?;
            let tags = row.tags.into_iter().map(|(key, value)| Tag { key, value }).collect();
            Ok(ListTagsForResourceOutput { tag_list: Some(tags) })
        })
        .await
    }
}
