//! `ScheduleKeyDeletion`: a key is gone after some days.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{access, arn, changeable, pending, require};
use crate::api::kms::operations::ScheduleKeyDeletion;
use crate::api::kms::shapes::{ScheduleKeyDeletionInput, ScheduleKeyDeletionOutput};
use crate::kms::Kms;
use crate::kms::store::KEYS;
use undercast_smithy::Timestamp;

impl Handler<ScheduleKeyDeletion> for Kms {
    fn authorize(&self, ctx: &Context, input: &ScheduleKeyDeletionInput) -> Vec<Access> {
        access(ctx, "ScheduleKeyDeletion", &input.key_id)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: ScheduleKeyDeletionInput,
    ) -> Result<ScheduleKeyDeletionOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let (key, mut row) = require(&tx, &ctx, &input.key_id).await?;
            changeable(&ctx, &key.2, &row)?;
            if row.deletion_ms.is_some() {
                return Err(pending(&ctx, &key.2));
            }
            let days = input.pending_window_in_days.unwrap_or(30);
            let at = tx.now_ms() + i64::from(days) * 24 * 3_600_000;
            row.deletion_ms = Some(at);
            row.enabled = false;
            KEYS.put(&tx, &key, &row)?;
            crate::kms::tasks::spawn_delete(&tx, &key, at)?;
            Ok(ScheduleKeyDeletionOutput {
                key_id: Some(arn(&ctx, &key.2)),
                deletion_date: Some(Timestamp::from_millis(at)),
                key_state: Some("PendingDeletion".to_owned()),
                pending_window_in_days: Some(days),
            })
        })
        .await
    }
}
