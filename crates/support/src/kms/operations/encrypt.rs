//! `Encrypt`: encrypts up to four kilobytes with a key.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{access, allowed, dry_run};
use crate::api::kms::operations::Encrypt;
use crate::api::kms::shapes::{EncryptInput, EncryptOutput};
use crate::kms::Kms;
use crate::kms::engine;

impl Handler<Encrypt> for Kms {
    fn authorize(&self, ctx: &Context, input: &EncryptInput) -> Vec<Access> {
        access(ctx, "Encrypt", &input.key_id)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: EncryptInput,
    ) -> Result<EncryptOutput, ServiceError> {
        allowed(&ctx, "Encrypt", &input.key_id).await?;
        ctx.transact(input, |tx, ctx, input| async move {
            let algorithm = input.encryption_algorithm.as_deref();
            let made = engine::encrypt(
                &tx,
                &ctx,
                &input.key_id,
                algorithm,
                &input.encryption_context,
                &input.plaintext.0,
                "Encrypt",
            )
            .await?;
            dry_run(input.dry_run)?;
            Ok(EncryptOutput {
                ciphertext_blob: Some(made.blob.into()),
                key_id: Some(made.key_arn),
                encryption_algorithm: Some(made.algorithm),
            })
        })
        .await
    }
}
