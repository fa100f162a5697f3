//! `DeleteUser`: deletes a user that has no keys and policies left.

use super::{access, keys_of, require_user};
use crate::error::conflict;
use crate::store::{ATTACHED, INLINE, USERS};
use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::Iam;
use crate::api::iam::operations::DeleteUser;
use crate::api::iam::shapes::{DeleteUserInput, DeleteUserOutput};

impl Handler<DeleteUser> for Iam {
    fn authorize(&self, ctx: &Context, input: &DeleteUserInput) -> Vec<Access> {
        access(ctx, "DeleteUser", "user", &input.user_name)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: DeleteUserInput,
    ) -> Result<DeleteUserOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let row = require_user(&tx, &ctx, &input.user_name).await?;
            let owner = (ctx.account().to_owned(), "user".to_owned(), row.name.clone());
            if !INLINE.scan(&tx, INLINE.prefix(&owner), 1, false).await?.is_empty() {
                return Err(conflict("Cannot delete entity, must delete policies first."));
            }
            if !ATTACHED.scan(&tx, ATTACHED.prefix(&owner), 1, false).await?.is_empty() {
                return Err(conflict("Cannot delete entity, must detach all policies first."));
            }
            if !keys_of(&tx, &ctx, &row.name).await?.is_empty() {
                return Err(conflict("Cannot delete entity, must delete access keys first."));
            }
            USERS.delete(&tx, &(owner.0, row.name))?;
            Ok(DeleteUserOutput::default())
        })
        .await
    }
}
