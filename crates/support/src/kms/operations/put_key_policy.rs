//! `PutKeyPolicy`: sets the policy of a key.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{access, require};
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
            if serde_json::from_str::<serde_json::Value>(&input.policy).is_err() {
                return Err(ServiceError::new(
                    "MalformedPolicyDocumentException",
                    "Policy is not valid JSON",
                ));
            }
            row.policy.clone_from(&input.policy);
            KEYS.put(&tx, &key, &row)?;
            Ok(PutKeyPolicyOutput::default())
        })
        .await
    }
}
