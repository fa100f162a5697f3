//! `AttachUserPolicy`: attaches a managed policy to a user.

use super::{access, attach, require_owner, require_policy};
use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::Iam;
use crate::api::iam::operations::AttachUserPolicy;
use crate::api::iam::shapes::{AttachUserPolicyInput, AttachUserPolicyOutput};

impl Handler<AttachUserPolicy> for Iam {
    fn authorize(&self, ctx: &Context, input: &AttachUserPolicyInput) -> Vec<Access> {
        access(ctx, "AttachUserPolicy", "user", &input.user_name)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: AttachUserPolicyInput,
    ) -> Result<AttachUserPolicyOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            require_owner(&tx, &ctx, "user", &input.user_name).await?;
            require_policy(&tx, &ctx, &input.policy_arn).await?;
            attach(&tx, &ctx, "user", &input.user_name, &input.policy_arn)?;
            Ok(AttachUserPolicyOutput::default())
        })
        .await
    }
}
