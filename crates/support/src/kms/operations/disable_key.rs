//! `DisableKey`: lets a key not be used.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{access, changeable, pending, require};
use crate::api::kms::operations::DisableKey;
use crate::api::kms::shapes::{DisableKeyInput, DisableKeyOutput};
use crate::kms::Kms;
use crate::kms::store::KEYS;

impl Handler<DisableKey> for Kms {
    fn authorize(&self, ctx: &Context, input: &DisableKeyInput) -> Vec<Access> {
        access(ctx, "DisableKey", &input.key_id)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: DisableKeyInput,
    ) -> Result<DisableKeyOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let (key, mut row) = require(&tx, &ctx, &input.key_id).await?;
            changeable(&ctx, &key.2, &row)?;
            if row.deletion_ms.is_some() {
                return Err(pending(&ctx, &key.2));
            }
            row.enabled = false;
            KEYS.put(&tx, &key, &row)?;
            Ok(DisableKeyOutput::default())
        })
        .await
    }
}
