//! `UpdateRoleDescription`: changes the description of a role.

use super::{access, shown_role};
use crate::ports::require_role;
use crate::store::ROLES;
use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::Iam;
use crate::api::iam::operations::UpdateRoleDescription;
use crate::api::iam::shapes::{UpdateRoleDescriptionInput, UpdateRoleDescriptionOutput};

impl Handler<UpdateRoleDescription> for Iam {
    fn authorize(&self, ctx: &Context, input: &UpdateRoleDescriptionInput) -> Vec<Access> {
        access(ctx, "UpdateRoleDescription", "role", &input.role_name)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: UpdateRoleDescriptionInput,
    ) -> Result<UpdateRoleDescriptionOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let mut row = require_role(&tx, &ctx, &input.role_name).await?;
            row.description = Some(input.description.clone());
            ROLES.put(&tx, &(ctx.account().to_owned(), row.name.clone()), &row)?;
            Ok(UpdateRoleDescriptionOutput { role: Some(shown_role(&ctx, &row)) })
        })
        .await
    }
}
