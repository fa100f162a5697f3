//! `GetPolicy`: one managed policy.

use super::{aws_policy, policy_access, require_policy, shown_policy};
use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::Iam;
use crate::api::iam::operations::GetPolicy;
use crate::api::iam::shapes::{GetPolicyInput, GetPolicyOutput};

impl Handler<GetPolicy> for Iam {
    fn authorize(&self, _: &Context, input: &GetPolicyInput) -> Vec<Access> {
        policy_access("GetPolicy", &input.policy_arn)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: GetPolicyInput,
    ) -> Result<GetPolicyOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let policy = match require_policy(&tx, &ctx, &input.policy_arn).await? {
                Some(row) => shown_policy(&tx, &ctx, &row).await?,
                None => aws_policy(&input.policy_arn),
            };
            Ok(GetPolicyOutput { policy: Some(policy) })
        })
        .await
    }
}
