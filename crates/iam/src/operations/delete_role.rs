//! `DeleteRole`: deletes a role that has no policies left.

use super::access;
use crate::error::conflict;
use crate::ports::require_role;
use crate::store::{ATTACHED, INLINE, ROLES};
use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::Iam;
use crate::api::iam::operations::DeleteRole;
use crate::api::iam::shapes::{DeleteRoleInput, DeleteRoleOutput};

impl Handler<DeleteRole> for Iam {
    fn authorize(&self, ctx: &Context, input: &DeleteRoleInput) -> Vec<Access> {
        access(ctx, "DeleteRole", "role", &input.role_name)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: DeleteRoleInput,
    ) -> Result<DeleteRoleOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let row = require_role(&tx, &ctx, &input.role_name).await?;
            let owner = (ctx.account().to_owned(), "role".to_owned(), row.name.clone());
            if !INLINE.scan(&tx, INLINE.prefix(&owner), 1, false).await?.is_empty() {
                return Err(conflict("Cannot delete entity, must delete policies first."));
            }
            if !ATTACHED.scan(&tx, ATTACHED.prefix(&owner), 1, false).await?.is_empty() {
                return Err(conflict("Cannot delete entity, must detach all policies first."));
            }
            ROLES.delete(&tx, &(owner.0, row.name))?;
            Ok(DeleteRoleOutput::default())
        })
        .await
    }
}
