//! `UpdateRole`: changes description and session length.

use super::access;
use crate::ports::require_role;
use crate::store::ROLES;
use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::Iam;
use crate::api::iam::operations::UpdateRole;
use crate::api::iam::shapes::{UpdateRoleInput, UpdateRoleOutput};

impl Handler<UpdateRole> for Iam {
    fn authorize(&self, ctx: &Context, input: &UpdateRoleInput) -> Vec<Access> {
        access(ctx, "UpdateRole", "role", &input.role_name)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: UpdateRoleInput,
    ) -> Result<UpdateRoleOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let mut row = require_role(&tx, &ctx, &input.role_name).await?;
            if input.description.is_some() {
                row.description.clone_from(&input.description);
            }
            if let Some(seconds) = input.max_session_duration {
                row.max_session_s = seconds;
            }
            ROLES.put(&tx, &(ctx.account().to_owned(), row.name.clone()), &row)?;
            Ok(UpdateRoleOutput::default())
        })
        .await
    }
}
