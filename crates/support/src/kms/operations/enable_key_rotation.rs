//! `EnableKeyRotation`: a key gets new material from time to time.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{access, changeable, require, rotatable, usable};
use crate::api::kms::operations::EnableKeyRotation;
use crate::api::kms::shapes::{EnableKeyRotationInput, EnableKeyRotationOutput};
use crate::kms::Kms;
use crate::kms::store::KEYS;
use crate::kms::tasks;

impl Handler<EnableKeyRotation> for Kms {
    fn authorize(&self, ctx: &Context, input: &EnableKeyRotationInput) -> Vec<Access> {
        access(ctx, "EnableKeyRotation", &input.key_id)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: EnableKeyRotationInput,
    ) -> Result<EnableKeyRotationOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let (key, mut row) = require(&tx, &ctx, &input.key_id).await?;
            changeable(&ctx, &key.2, &row)?;
            usable(&ctx, &key.2, &row)?;
            rotatable(&ctx, &key, &row)?;
            row.rotation_days = Some(input.rotation_period_in_days.unwrap_or(365));
            tasks::plan_rotation(&tx, &key, &mut row)?;
            KEYS.put(&tx, &key, &row)?;
            Ok(EnableKeyRotationOutput::default())
        })
        .await
    }
}
