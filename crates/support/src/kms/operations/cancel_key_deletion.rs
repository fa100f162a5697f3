//! `CancelKeyDeletion`: a key stays after all, disabled.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{access, arn, require};
use crate::api::kms::operations::CancelKeyDeletion;
use crate::api::kms::shapes::{CancelKeyDeletionInput, CancelKeyDeletionOutput};
use crate::kms::Kms;
use crate::kms::store::KEYS;

impl Handler<CancelKeyDeletion> for Kms {
    fn authorize(&self, ctx: &Context, input: &CancelKeyDeletionInput) -> Vec<Access> {
        access(ctx, "CancelKeyDeletion", &input.key_id)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: CancelKeyDeletionInput,
    ) -> Result<CancelKeyDeletionOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let (key, mut row) = require(&tx, &ctx, &input.key_id).await?;
            if row.deletion_ms.take().is_none() {
                return Err(ServiceError::new(
                    "KMSInvalidStateException",
                    format!("{} is not pending deletion.", arn(&ctx, &key.2)),
                ));
            }
            KEYS.put(&tx, &key, &row)?;
            Ok(CancelKeyDeletionOutput { key_id: Some(arn(&ctx, &key.2)) })
        })
        .await
    }
}
