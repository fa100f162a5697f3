//! `DeleteRolePermissionsBoundary`: removes the boundary of a role.

use super::access;
use crate::ports::require_role;
use crate::store::ROLES;
use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::Iam;
use crate::api::iam::operations::DeleteRolePermissionsBoundary;
use crate::api::iam::shapes::{
    DeleteRolePermissionsBoundaryInput, DeleteRolePermissionsBoundaryOutput,
};

impl Handler<DeleteRolePermissionsBoundary> for Iam {
    fn authorize(&self, ctx: &Context, input: &DeleteRolePermissionsBoundaryInput) -> Vec<Access> {
        access(ctx, "DeleteRolePermissionsBoundary", "role", &input.role_name)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: DeleteRolePermissionsBoundaryInput,
    ) -> Result<DeleteRolePermissionsBoundaryOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let mut row = require_role(&tx, &ctx, &input.role_name).await?;
            row.boundary = None;
            ROLES.put(&tx, &(ctx.account().to_owned(), row.name.clone()), &row)?;
            Ok(DeleteRolePermissionsBoundaryOutput::default())
        })
        .await
    }
}
