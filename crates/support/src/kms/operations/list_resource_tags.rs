//! `ListResourceTags`: the tags of a key.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{access, require};
use crate::api::kms::operations::ListResourceTags;
use crate::api::kms::shapes::{ListResourceTagsInput, ListResourceTagsOutput, Tag};
use crate::kms::Kms;

impl Handler<ListResourceTags> for Kms {
    fn authorize(&self, ctx: &Context, input: &ListResourceTagsInput) -> Vec<Access> {
        access(ctx, "ListResourceTags", &input.key_id)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: ListResourceTagsInput,
    ) -> Result<ListResourceTagsOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let (_, row) = require(&tx, &ctx, &input.key_id).await?;
            let tags = row.tags.into_iter().map(|(tag_key, tag_value)| Tag { tag_key, tag_value });
            Ok(ListResourceTagsOutput {
                tags: Some(tags.collect()),
                next_marker: None,
                truncated: Some(false),
            })
        })
        .await
    }
}
