//! `EnableKey`: lets a key be used again.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{access, changeable, pending, require};
use crate::api::kms::operations::EnableKey;
use crate::api::kms::shapes::{EnableKeyInput, EnableKeyOutput};
use crate::kms::Kms;
use crate::kms::store::KEYS;

impl Handler<EnableKey> for Kms {
    fn authorize(&self, ctx: &Context, input: &EnableKeyInput) -> Vec<Access> {
        access(ctx, "EnableKey", &input.key_id)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: EnableKeyInput,
    ) -> Result<EnableKeyOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let (key, mut row) = require(&tx, &ctx, &input.key_id).await?;
            changeable(&ctx, &key.2, &row)?;
            if row.deletion_ms.is_some() {
                return Err(pending(&ctx, &key.2));
            }
            row.enabled = true;
            KEYS.put(&tx, &key, &row)?;
            Ok(EnableKeyOutput::default())
        })
        .await
    }
}
