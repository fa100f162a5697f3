//! `DisableKeyRotation`: a key keeps its material.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{access, changeable, require, usable};
use crate::api::kms::operations::DisableKeyRotation;
use crate::api::kms::shapes::{DisableKeyRotationInput, DisableKeyRotationOutput};
use crate::kms::Kms;
use crate::kms::store::KEYS;

impl Handler<DisableKeyRotation> for Kms {
    fn authorize(&self, ctx: &Context, input: &DisableKeyRotationInput) -> Vec<Access> {
        access(ctx, "DisableKeyRotation", &input.key_id)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: DisableKeyRotationInput,
    ) -> Result<DisableKeyRotationOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let (key, mut row) = require(&tx, &ctx, &input.key_id).await?;
            changeable(&ctx, &key.2, &row)?;
            usable(&ctx, &key.2, &row)?;
            row.rotation_days = None;
            row.rotation_ms = None;
            KEYS.put(&tx, &key, &row)?;
            Ok(DisableKeyRotationOutput::default())
        })
        .await
    }
}
