//! `DetachUserPolicy`: detaches a managed policy from a user.

use super::{access, detach, require_owner};
use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::Iam;
use crate::api::iam::operations::DetachUserPolicy;
use crate::api::iam::shapes::{DetachUserPolicyInput, DetachUserPolicyOutput};

impl Handler<DetachUserPolicy> for Iam {
    fn authorize(&self, ctx: &Context, input: &DetachUserPolicyInput) -> Vec<Access> {
        access(ctx, "DetachUserPolicy", "user", &input.user_name)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: DetachUserPolicyInput,
    ) -> Result<DetachUserPolicyOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            require_owner(&tx, &ctx, "user", &input.user_name).await?;
            detach(&tx, &ctx, "user", &input.user_name, &input.policy_arn).await?;
            Ok(DetachUserPolicyOutput::default())
        })
        .await
    }
}
