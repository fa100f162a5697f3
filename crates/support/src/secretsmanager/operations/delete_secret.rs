//! `DeleteSecret`: marks a secret for deletion, or deletes it at once.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::allowed;
use crate::api::secretsmanager::operations::DeleteSecret;
use crate::api::secretsmanager::shapes::{DeleteSecretInput, DeleteSecretOutput};
use crate::secretsmanager::SecretsManager;
use crate::secretsmanager::engine::{arn, erase, find};
use crate::secretsmanager::error::{deleted, invalid, not_found};
use crate::secretsmanager::rotation::{DAY_MS, spawn_delete};
use crate::secretsmanager::store::{SECRETS, SecretRow};
use undercast_smithy::Timestamp;

impl Handler<DeleteSecret> for SecretsManager {
    fn authorize(&self, _: &Context, _: &DeleteSecretInput) -> Vec<Access> {
        Vec::new()
    }

    async fn handle(
        &self,
        ctx: Context,
        input: DeleteSecretInput,
    ) -> Result<DeleteSecretOutput, ServiceError> {
        allowed(&ctx, "DeleteSecret", &input.secret_id).await?;
        ctx.transact(input, |tx, ctx, input| async move {

            let force = input.force_delete_without_recovery.unwrap_or(false);
            if force && input.recovery_window_in_days.is_some() {
                return Err(invalid("You can't use ForceDeleteWithoutRecovery in conjunction with RecoveryWindowInDays."));
            }
            let days = input.recovery_window_in_days.unwrap_or(30);
            if !(7..=30).contains(&days) {
                return Err(invalid("The RecoveryWindowInDays value must be between 7 and 30 days (inclusive)."));
            }
            let Some((key, mut row)) = find(&tx, &ctx, &input.secret_id).await? else {
                if force && !input.secret_id.starts_with("arn:") {
                    let nothing = SecretRow::default();
                    return Ok(DeleteSecretOutput {
                        arn: Some(arn(&ctx, &input.secret_id, &nothing)),
                        name: Some(input.secret_id.clone()),
                        deletion_date: Some(Timestamp::from_millis(tx.now_ms())),
                    });
                }
                return Err(not_found());
            };
            if row.deleted_ms.is_some() && !force {
                return Err(deleted());
            }
            let at = match force {
                true => {
                    erase(&tx, &key, &row)?;
                    tx.now_ms()
                }
                false => {
                    let at = tx.now_ms() + days * DAY_MS;
                    row.deleted_ms = Some(tx.now_ms());
                    row.deletion_ms = Some(at);
                    SECRETS.put(&tx, &key, &row)?;
                    spawn_delete(&tx, &key, at)?;
                    at
                }
            };
            Ok(DeleteSecretOutput {
                arn: Some(arn(&ctx, &key.2, &row)),
                name: Some(key.2),
                deletion_date: Some(Timestamp::from_millis(at)),
            })
        })
        .await
    }
}
