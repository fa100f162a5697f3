//! `RestoreSecret`: takes back a deletion.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::allowed;
use crate::api::secretsmanager::operations::RestoreSecret;
use crate::api::secretsmanager::shapes::{RestoreSecretInput, RestoreSecretOutput};
use crate::secretsmanager::SecretsManager;
use crate::secretsmanager::engine::{arn, find};
use crate::secretsmanager::error::not_found;
use crate::secretsmanager::rotation::plan;
use crate::secretsmanager::store::SECRETS;

impl Handler<RestoreSecret> for SecretsManager {
    fn authorize(&self, _: &Context, _: &RestoreSecretInput) -> Vec<Access> {
        Vec::new()
    }

    async fn handle(
        &self,
        ctx: Context,
        input: RestoreSecretInput,
    ) -> Result<RestoreSecretOutput, ServiceError> {
        allowed(&ctx, "RestoreSecret", &input.secret_id).await?;
        ctx.transact(input, |tx, ctx, input| async move {
            let (key, mut row) = find(&tx, &ctx, &input.secret_id).await?.ok_or_else(not_found)?;
            row.deletion_ms = None;
            if row.deleted_ms.take().is_some() {
                plan(&tx, &key, &mut row)?;
            }
            SECRETS.put(&tx, &key, &row)?;
            Ok(RestoreSecretOutput { arn: Some(arn(&ctx, &key.2, &row)), name: Some(key.2) })
        })
        .await
    }
}
