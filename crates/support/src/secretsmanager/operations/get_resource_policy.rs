//! `GetResourcePolicy`: the policy of a secret.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::allowed;
use crate::api::secretsmanager::operations::GetResourcePolicy;
use crate::api::secretsmanager::shapes::{GetResourcePolicyInput, GetResourcePolicyOutput};
use crate::secretsmanager::SecretsManager;
use crate::secretsmanager::engine::{arn, require};

impl Handler<GetResourcePolicy> for SecretsManager {
    fn authorize(&self, _: &Context, _: &GetResourcePolicyInput) -> Vec<Access> {
        Vec::new()
    }

    async fn handle(
        &self,
        ctx: Context,
        input: GetResourcePolicyInput,
    ) -> Result<GetResourcePolicyOutput, ServiceError> {
        allowed(&ctx, "GetResourcePolicy", &input.secret_id).await?;
        ctx.transact(input, |tx, ctx, input| async move {
            let (key, row) = require(&tx, &ctx, &input.secret_id).await?;

            Ok(GetResourcePolicyOutput {
                arn: Some(arn(&ctx, &key.2, &row)),
                name: Some(key.2),
                resource_policy: row.policy,
            })
        })
        .await
    }
}
