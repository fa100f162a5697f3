//! `UpdateAssumeRolePolicy`: changes who may take a role on.

use super::{access, check_trust};
use crate::ports::require_role;
use crate::store::ROLES;
use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::Iam;
use crate::api::iam::operations::UpdateAssumeRolePolicy;
use crate::api::iam::shapes::{UpdateAssumeRolePolicyInput, UpdateAssumeRolePolicyOutput};

impl Handler<UpdateAssumeRolePolicy> for Iam {
    fn authorize(&self, ctx: &Context, input: &UpdateAssumeRolePolicyInput) -> Vec<Access> {
        access(ctx, "UpdateAssumeRolePolicy", "role", &input.role_name)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: UpdateAssumeRolePolicyInput,
    ) -> Result<UpdateAssumeRolePolicyOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let mut row = require_role(&tx, &ctx, &input.role_name).await?;
            row.trust = check_trust(&input.policy_document)?;
            ROLES.put(&tx, &(ctx.account().to_owned(), row.name.clone()), &row)?;
            Ok(UpdateAssumeRolePolicyOutput::default())
        })
        .await
    }
}
