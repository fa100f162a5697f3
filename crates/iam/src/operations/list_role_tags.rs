//! `ListRoleTags`: the tags of a role.

use super::{access, page, shown_tags};
use crate::ports::require_role;
use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::Iam;
use crate::api::iam::operations::ListRoleTags;
use crate::api::iam::shapes::{ListRoleTagsInput, ListRoleTagsOutput};

impl Handler<ListRoleTags> for Iam {
    fn authorize(&self, ctx: &Context, input: &ListRoleTagsInput) -> Vec<Access> {
        access(ctx, "ListRoleTags", "role", &input.role_name)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: ListRoleTagsInput,
    ) -> Result<ListRoleTagsOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let row = require_role(&tx, &ctx, &input.role_name).await?;
            let (tags, marker) =
                page(shown_tags(&row.tags), input.marker.as_ref(), input.max_items)?;
            Ok(ListRoleTagsOutput { tags, is_truncated: Some(marker.is_some()), marker })
        })
        .await
    }
}
