//! `Verify`: whether a signature is the key's.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{access, allowed, arn, dry_run, using};
use crate::api::kms::operations::Verify;
use crate::api::kms::shapes::{VerifyInput, VerifyOutput};
use crate::kms::Kms;
use crate::kms::{crypto, engine, material};

impl Handler<Verify> for Kms {
    fn authorize(&self, ctx: &Context, input: &VerifyInput) -> Vec<Access> {
        access(ctx, "Verify", &input.key_id)
    }

    async fn handle(&self, ctx: Context, input: VerifyInput) -> Result<VerifyOutput, ServiceError> {
        allowed(&ctx, "Verify", &input.key_id).await?;
        ctx.transact(input, |tx, ctx, input| async move {
            let (key, row) = using(&tx, &ctx, &input.key_id, "SIGN_VERIFY", "Verify").await?;
            let spec = engine::with_algorithm(&ctx, &key, &row, &input.signing_algorithm)?;
            let digest = engine::digest(
                input.message_type.as_deref(),
                &input.signing_algorithm,
                &input.message.0,
            )?;
            let material = material::current(&tx, ctx.kernel(), &key, &row).await?;
            dry_run(input.dry_run)?;
            if !crypto::verify(
                spec,
                &material.bytes,
                &input.signing_algorithm,
                &digest,
                &input.signature.0,
            )? {
                return Err(ServiceError::new("KMSInvalidSignatureException", ""));
            }
            Ok(VerifyOutput {
                key_id: Some(arn(&ctx, &key.2)),
                signature_valid: Some(true),
                signing_algorithm: Some(input.signing_algorithm.clone()),
            })
        })
        .await
    }
}
