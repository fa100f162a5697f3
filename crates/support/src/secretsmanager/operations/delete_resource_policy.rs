//! `DeleteResourcePolicy`: removes the policy of a secret.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::allowed;
use crate::api::secretsmanager::operations::DeleteResourcePolicy;
use crate::api::secretsmanager::shapes::{DeleteResourcePolicyInput, DeleteResourcePolicyOutput};
use crate::secretsmanager::SecretsManager;
use crate::secretsmanager::engine::{arn, require};
use crate::secretsmanager::store::SECRETS;

impl Handler<DeleteResourcePolicy> for SecretsManager {
    fn authorize(&self, _: &Context, _: &DeleteResourcePolicyInput) -> Vec<Access> {
        Vec::new()
    }

    async fn handle(
        &self,
        ctx: Context,
        input: DeleteResourcePolicyInput,
    ) -> Result<DeleteResourcePolicyOutput, ServiceError> {
        allowed(&ctx, "DeleteResourcePolicy", &input.secret_id).await?;
        ctx.transact(input, |tx, ctx, input| async move {
            let (key, mut row) = require(&tx, &ctx, &input.secret_id).await?;

            row.policy = None;
            SECRETS.put(&tx, &key, &row)?;
            Ok(DeleteResourcePolicyOutput { arn: Some(arn(&ctx, &key.2, &row)), name: Some(key.2) })
        })
        .await
    }
}
