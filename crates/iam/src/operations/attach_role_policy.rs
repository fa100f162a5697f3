//! `AttachRolePolicy`: attaches a managed policy to a role.

use super::{access, attach, require_owner, require_policy};
use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::Iam;
use crate::api::iam::operations::AttachRolePolicy;
use crate::api::iam::shapes::{AttachRolePolicyInput, AttachRolePolicyOutput};

impl Handler<AttachRolePolicy> for Iam {
    fn authorize(&self, ctx: &Context, input: &AttachRolePolicyInput) -> Vec<Access> {
        access(ctx, "AttachRolePolicy", "role", &input.role_name)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: AttachRolePolicyInput,
    ) -> Result<AttachRolePolicyOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            require_owner(&tx, &ctx, "role", &input.role_name).await?;
            require_policy(&tx, &ctx, &input.policy_arn).await?;
            attach(&tx, &ctx, "role", &input.role_name, &input.policy_arn)?;
            Ok(AttachRolePolicyOutput::default())
        })
        .await
    }
}
