//! `Sign`: signs a message or a digest.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{access, allowed, arn, dry_run, using};
use crate::api::kms::operations::Sign;
use crate::api::kms::shapes::{SignInput, SignOutput};
use crate::kms::Kms;
use crate::kms::{crypto, engine, material};

impl Handler<Sign> for Kms {
    fn authorize(&self, ctx: &Context, input: &SignInput) -> Vec<Access> {
        access(ctx, "Sign", &input.key_id)
    }

    async fn handle(&self, ctx: Context, input: SignInput) -> Result<SignOutput, ServiceError> {
        allowed(&ctx, "Sign", &input.key_id).await?;
        ctx.transact(input, |tx, ctx, input| async move {
            let (key, row) = using(&tx, &ctx, &input.key_id, "SIGN_VERIFY", "Sign").await?;
            let spec = engine::with_algorithm(&ctx, &key, &row, &input.signing_algorithm)?;
            let digest = engine::digest(
                input.message_type.as_deref(),
                &input.signing_algorithm,
                &input.message.0,
            )?;
            let material = material::current(&tx, ctx.kernel(), &key, &row).await?;
            dry_run(input.dry_run)?;
            let ids = std::sync::Arc::clone(&ctx.env().ids);
            let signature =
                crypto::sign(spec, &material.bytes, &input.signing_algorithm, &digest, ids)?;
            Ok(SignOutput {
                key_id: Some(arn(&ctx, &key.2)),
                signature: Some(signature.into()),
                signing_algorithm: Some(input.signing_algorithm.clone()),
            })
        })
        .await
    }
}
