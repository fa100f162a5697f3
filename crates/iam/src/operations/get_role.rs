//! `GetRole`: one role.

use super::{access, shown_role};
use crate::ports::require_role;
use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::Iam;
use crate::api::iam::operations::GetRole;
use crate::api::iam::shapes::{GetRoleInput, GetRoleOutput};

impl Handler<GetRole> for Iam {
    fn authorize(&self, ctx: &Context, input: &GetRoleInput) -> Vec<Access> {
        access(ctx, "GetRole", "role", &input.role_name)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: GetRoleInput,
    ) -> Result<GetRoleOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let row = require_role(&tx, &ctx, &input.role_name).await?;
            Ok(GetRoleOutput { role: shown_role(&ctx, &row) })
        })
        .await
    }
}
