//! `DetachRolePolicy`: detaches a managed policy from a role.

use super::{access, detach, require_owner};
use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::Iam;
use crate::api::iam::operations::DetachRolePolicy;
use crate::api::iam::shapes::{DetachRolePolicyInput, DetachRolePolicyOutput};

impl Handler<DetachRolePolicy> for Iam {
    fn authorize(&self, ctx: &Context, input: &DetachRolePolicyInput) -> Vec<Access> {
        access(ctx, "DetachRolePolicy", "role", &input.role_name)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: DetachRolePolicyInput,
    ) -> Result<DetachRolePolicyOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            require_owner(&tx, &ctx, "role", &input.role_name).await?;
            detach(&tx, &ctx, "role", &input.role_name, &input.policy_arn).await?;
            Ok(DetachRolePolicyOutput::default())
        })
        .await
    }
}
