//! `PutKeyPolicy`: sets the policy of a key.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{access, changeable, check_policy, require};
use crate::api::kms::operations::PutKeyPolicy;
use crate::api::kms::shapes::{PutKeyPolicyInput, PutKeyPolicyOutput};
use crate::kms::Kms;
use crate::kms::store::KEYS;

impl Handler<PutKeyPolicy> for Kms {
    fn authorize(&self, ctx: &Context, input: &PutKeyPolicyInput) -> Vec<Access> {
        access(ctx, "PutKeyPolicy", &input.key_id)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: PutKeyPolicyInput,
    ) -> Result<PutKeyPolicyOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let (key, mut row) = require(&tx, &ctx, &input.key_id).await?;
            changeable(&ctx, &key.2, &row)?;
            check_policy(&input.policy)?;
            row.policy.clone_from(&input.policy);
            KEYS.put(&tx, &key, &row)?;
            Ok(PutKeyPolicyOutput::default())
        })
        .await
    }
}
