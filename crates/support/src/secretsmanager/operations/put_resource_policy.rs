//! `PutResourcePolicy`: sets the policy of a secret.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::allowed;
use crate::api::secretsmanager::operations::PutResourcePolicy;
use crate::api::secretsmanager::shapes::{PutResourcePolicyInput, PutResourcePolicyOutput};
use crate::secretsmanager::SecretsManager;
use crate::secretsmanager::engine::{arn, is_public, policy_fault, require};
use crate::secretsmanager::store::SECRETS;

impl Handler<PutResourcePolicy> for SecretsManager {
    fn authorize(&self, _: &Context, _: &PutResourcePolicyInput) -> Vec<Access> {
        Vec::new()
    }

    async fn handle(
        &self,
        ctx: Context,
        input: PutResourcePolicyInput,
    ) -> Result<PutResourcePolicyOutput, ServiceError> {
        allowed(&ctx, "PutResourcePolicy", &input.secret_id).await?;
        ctx.transact(input, |tx, ctx, input| async move {
            let (key, mut row) = require(&tx, &ctx, &input.secret_id).await?;

            if let Some(fault) = policy_fault(&input.resource_policy) {
                return Err(ServiceError::new("MalformedPolicyDocumentException", fault));
            }
            if input.block_public_policy.unwrap_or(false) && is_public(&input.resource_policy) {
                return Err(ServiceError::new("PublicPolicyException", "The BlockPublicPolicy parameter is set to true, and the resource policy did not prevent broad access to the secret."));
            }
            row.policy = Some(input.resource_policy.clone());
            SECRETS.put(&tx, &key, &row)?;
            Ok(PutResourcePolicyOutput { arn: Some(arn(&ctx, &key.2, &row)), name: Some(key.2) })
        })
        .await
    }
}
