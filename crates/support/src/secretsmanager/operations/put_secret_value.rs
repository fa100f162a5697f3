//! `PutSecretValue`: a new version of a secret.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::allowed;
use crate::api::secretsmanager::operations::PutSecretValue;
use crate::api::secretsmanager::shapes::{PutSecretValueInput, PutSecretValueOutput};
use crate::secretsmanager::SecretsManager;
use crate::secretsmanager::engine::{self, arn, require};
use crate::secretsmanager::error::refused;
use crate::secretsmanager::store::SECRETS;

impl Handler<PutSecretValue> for SecretsManager {
    fn authorize(&self, _: &Context, _: &PutSecretValueInput) -> Vec<Access> {
        Vec::new()
    }

    async fn handle(
        &self,
        ctx: Context,
        input: PutSecretValueInput,
    ) -> Result<PutSecretValueOutput, ServiceError> {
        allowed(&ctx, "PutSecretValue", &input.secret_id).await?;
        ctx.transact(input, |tx, ctx, input| async move {
            let (key, mut row) = require(&tx, &ctx, &input.secret_id).await?;

            let version = engine::token(&tx, input.client_request_token.as_ref());
            let given = engine::given(input.secret_string.as_ref(), input.secret_binary.as_ref())?;
            let given = given
                .ok_or_else(|| refused("You must provide either SecretString or SecretBinary."))?;
            let stages =
                input.version_stages.clone().unwrap_or_else(|| vec![engine::CURRENT.to_owned()]);
            if engine::put_value(&tx, &ctx, &key, &mut row, &version, &given, &stages).await? {
                SECRETS.put(&tx, &key, &row)?;
            }
            let stages = row.versions.get(&version).map(|of| of.stages.iter().cloned().collect());
            Ok(PutSecretValueOutput {
                arn: Some(arn(&ctx, &key.2, &row)),
                name: Some(key.2),
                version_id: Some(version),
                version_stages: stages,
            })
        })
        .await
    }
}
