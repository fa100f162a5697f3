//! `CancelRotateSecret`: switches rotation off.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::allowed;
use crate::api::secretsmanager::operations::CancelRotateSecret;
use crate::api::secretsmanager::shapes::{CancelRotateSecretInput, CancelRotateSecretOutput};
use crate::secretsmanager::SecretsManager;
use crate::secretsmanager::engine::{arn, require};
use crate::secretsmanager::rotation::no_function;
use crate::secretsmanager::store::SECRETS;

impl Handler<CancelRotateSecret> for SecretsManager {
    fn authorize(&self, _: &Context, _: &CancelRotateSecretInput) -> Vec<Access> {
        Vec::new()
    }

    async fn handle(
        &self,
        ctx: Context,
        input: CancelRotateSecretInput,
    ) -> Result<CancelRotateSecretOutput, ServiceError> {
        allowed(&ctx, "CancelRotateSecret", &input.secret_id).await?;
        ctx.transact(input, |tx, ctx, input| async move {
            let (key, mut row) = require(&tx, &ctx, &input.secret_id).await?;

            let running = match &mut row.rotation {
                Some(rotation) if rotation.is_enabled => {
                    rotation.is_enabled = false;
                    rotation.next_ms = None;
                    rotation.running.take()
                }
                _ => return Err(no_function()),
            };
            SECRETS.put(&tx, &key, &row)?;
            Ok(CancelRotateSecretOutput {
                arn: Some(arn(&ctx, &key.2, &row)),
                name: Some(key.2),
                version_id: running,
            })
        })
        .await
    }
}
