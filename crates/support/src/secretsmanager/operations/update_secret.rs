//! `UpdateSecret`: changes a secret, with or without a new value.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{allowed, check_key};
use crate::api::secretsmanager::operations::UpdateSecret;
use crate::api::secretsmanager::shapes::{UpdateSecretInput, UpdateSecretOutput};
use crate::secretsmanager::SecretsManager;
use crate::secretsmanager::engine::{self, arn, require};
use crate::secretsmanager::store::SECRETS;

impl Handler<UpdateSecret> for SecretsManager {
    fn authorize(&self, _: &Context, _: &UpdateSecretInput) -> Vec<Access> {
        Vec::new()
    }

    async fn handle(
        &self,
        ctx: Context,
        input: UpdateSecretInput,
    ) -> Result<UpdateSecretOutput, ServiceError> {
        allowed(&ctx, "UpdateSecret", &input.secret_id).await?;
        if input.r#type.is_some() {
            return Err(ServiceError::unsupported("a secret managed elsewhere"));
        }
        check_key(&ctx, input.kms_key_id.as_deref()).await?;
        ctx.transact(input, |tx, ctx, input| async move {
            let (key, mut row) = require(&tx, &ctx, &input.secret_id).await?;

            let given = engine::given(input.secret_string.as_ref(), input.secret_binary.as_ref())?;
            if let Some(description) = &input.description {
                row.description = Some(description.clone());
            }
            if let Some(kms_key) = &input.kms_key_id {
                row.kms_key = Some(kms_key.clone());
            }
            let mut version_id = None;
            if let Some(given) = given {
                let version = engine::token(&tx, input.client_request_token.as_ref());
                let stages = [engine::CURRENT.to_owned()];
                engine::put_value(&tx, &ctx, &key, &mut row, &version, &given, &stages).await?;
                version_id = Some(version);
            }
            row.changed_ms = tx.now_ms();
            SECRETS.put(&tx, &key, &row)?;
            Ok(UpdateSecretOutput {
                arn: Some(arn(&ctx, &key.2, &row)),
                name: Some(key.2),
                version_id,
            })
        })
        .await
    }
}
