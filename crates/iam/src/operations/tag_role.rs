//! `TagRole`: tags a role.

use super::{access, tags};
use crate::ports::require_role;
use crate::store::ROLES;
use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::Iam;
use crate::api::iam::operations::TagRole;
use crate::api::iam::shapes::{TagRoleInput, TagRoleOutput};

impl Handler<TagRole> for Iam {
    fn authorize(&self, ctx: &Context, input: &TagRoleInput) -> Vec<Access> {
        access(ctx, "TagRole", "role", &input.role_name)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: TagRoleInput,
    ) -> Result<TagRoleOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let mut row = require_role(&tx, &ctx, &input.role_name).await?;
            row.tags.extend(tags(Some(&input.tags)));
            ROLES.put(&tx, &(ctx.account().to_owned(), row.name.clone()), &row)?;
            Ok(TagRoleOutput::default())
        })
        .await
    }
}
