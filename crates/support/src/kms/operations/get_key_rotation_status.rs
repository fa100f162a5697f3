//! `GetKeyRotationStatus`: whether a key gets new material.

use undercast_kernel::{Access, Context, Handler, ServiceError};
use undercast_smithy::Timestamp;

use super::{access, require, rotatable};
use crate::api::kms::operations::GetKeyRotationStatus;
use crate::api::kms::shapes::{GetKeyRotationStatusInput, GetKeyRotationStatusOutput};
use crate::kms::Kms;

impl Handler<GetKeyRotationStatus> for Kms {
    fn authorize(&self, ctx: &Context, input: &GetKeyRotationStatusInput) -> Vec<Access> {
        access(ctx, "GetKeyRotationStatus", &input.key_id)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: GetKeyRotationStatusInput,
    ) -> Result<GetKeyRotationStatusOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let (key, row) = require(&tx, &ctx, &input.key_id).await?;
            rotatable(&ctx, &key, &row)?;
            Ok(GetKeyRotationStatusOutput {
                key_rotation_enabled: Some(row.rotation_days.is_some()),
                key_id: Some(key.2),
                rotation_period_in_days: row.rotation_days,
                next_rotation_date: row.rotation_ms.map(Timestamp::from_millis),
                ..GetKeyRotationStatusOutput::default()
            })
        })
        .await
    }
}
