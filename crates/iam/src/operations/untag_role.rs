//! `UntagRole`: removes tags of a role.

use super::access;
use crate::ports::require_role;
use crate::store::ROLES;
use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::Iam;
use crate::api::iam::operations::UntagRole;
use crate::api::iam::shapes::{UntagRoleInput, UntagRoleOutput};

impl Handler<UntagRole> for Iam {
    fn authorize(&self, ctx: &Context, input: &UntagRoleInput) -> Vec<Access> {
        access(ctx, "UntagRole", "role", &input.role_name)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: UntagRoleInput,
    ) -> Result<UntagRoleOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let mut row = require_role(&tx, &ctx, &input.role_name).await?;
            row.tags.retain(|key, _| !input.tag_keys.contains(key));
            ROLES.put(&tx, &(ctx.account().to_owned(), row.name.clone()), &row)?;
            Ok(UntagRoleOutput::default())
        })
        .await
    }
}
