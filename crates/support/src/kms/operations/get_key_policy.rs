//! `GetKeyPolicy`: the policy of a key.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{access, require};
use crate::api::kms::operations::GetKeyPolicy;
use crate::api::kms::shapes::{GetKeyPolicyInput, GetKeyPolicyOutput};
use crate::kms::Kms;

impl Handler<GetKeyPolicy> for Kms {
    fn authorize(&self, ctx: &Context, input: &GetKeyPolicyInput) -> Vec<Access> {
        access(ctx, "GetKeyPolicy", &input.key_id)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: GetKeyPolicyInput,
    ) -> Result<GetKeyPolicyOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let (_, row) = require(&tx, &ctx, &input.key_id).await?;
            Ok(GetKeyPolicyOutput {
                policy: Some(row.policy),
                policy_name: Some("default".to_owned()),
            })
        })
        .await
    }
}
