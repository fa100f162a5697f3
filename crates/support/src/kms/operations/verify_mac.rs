//! `VerifyMac`: whether a code is the message's.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{access, allowed, arn, dry_run, using};
use crate::api::kms::operations::VerifyMac;
use crate::api::kms::shapes::{VerifyMacInput, VerifyMacOutput};
use crate::kms::Kms;
use crate::kms::{crypto, engine, material};

impl Handler<VerifyMac> for Kms {
    fn authorize(&self, ctx: &Context, input: &VerifyMacInput) -> Vec<Access> {
        access(ctx, "VerifyMac", &input.key_id)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: VerifyMacInput,
    ) -> Result<VerifyMacOutput, ServiceError> {
        allowed(&ctx, "VerifyMac", &input.key_id).await?;
        ctx.transact(input, |tx, ctx, input| async move {
            let (key, row) =
                using(&tx, &ctx, &input.key_id, "GENERATE_VERIFY_MAC", "VerifyMac").await?;
            engine::with_algorithm(&ctx, &key, &row, &input.mac_algorithm)?;
            let material = material::current(&tx, ctx.kernel(), &key, &row).await?;
            let mac = crypto::mac(&input.mac_algorithm, &material.bytes, &input.message.0)?;
            dry_run(input.dry_run)?;
            if !crypto::same(&mac, &input.mac.0) {
                return Err(ServiceError::new("KMSInvalidMacException", ""));
            }
            Ok(VerifyMacOutput {
                key_id: Some(arn(&ctx, &key.2)),
                mac_valid: Some(true),
                mac_algorithm: Some(input.mac_algorithm.clone()),
            })
        })
        .await
    }
}
