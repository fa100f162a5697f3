//! `PutRolePermissionsBoundary`: sets the boundary of a role.

use super::access;
use crate::ports::require_role;
use crate::store::ROLES;
use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::Iam;
use crate::api::iam::operations::PutRolePermissionsBoundary;
use crate::api::iam::shapes::{PutRolePermissionsBoundaryInput, PutRolePermissionsBoundaryOutput};

impl Handler<PutRolePermissionsBoundary> for Iam {
    fn authorize(&self, ctx: &Context, input: &PutRolePermissionsBoundaryInput) -> Vec<Access> {
        access(ctx, "PutRolePermissionsBoundary", "role", &input.role_name)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: PutRolePermissionsBoundaryInput,
    ) -> Result<PutRolePermissionsBoundaryOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let mut row = require_role(&tx, &ctx, &input.role_name).await?;
            row.boundary = Some(input.permissions_boundary.clone());
            ROLES.put(&tx, &(ctx.account().to_owned(), row.name.clone()), &row)?;
            Ok(PutRolePermissionsBoundaryOutput::default())
        })
        .await
    }
}
