//! `Decrypt`: gives back what a key encrypted.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{access, allowed, dry_run, no_recipient};
use crate::api::kms::operations::Decrypt;
use crate::api::kms::shapes::{DecryptInput, DecryptOutput};
use crate::kms::Kms;
use crate::kms::engine;

impl Handler<Decrypt> for Kms {
    fn authorize(&self, ctx: &Context, input: &DecryptInput) -> Vec<Access> {
        match &input.key_id {
            Some(id) => access(ctx, "Decrypt", id),
            None => engine::key_of(input.ciphertext_blob.as_ref())
                .map_or_else(Vec::new, |arn| access(ctx, "Decrypt", &arn)),
        }
    }

    async fn handle(
        &self,
        ctx: Context,
        input: DecryptInput,
    ) -> Result<DecryptOutput, ServiceError> {
        if let Some(id) = &input.key_id {
            allowed(&ctx, "Decrypt", id).await?;
        }
        ctx.transact(input, |tx, ctx, input| async move {
            no_recipient(input.recipient.is_some())?;
            let given = engine::Given {
                blob: input.ciphertext_blob.as_ref(),
                key_id: input.key_id.as_deref(),
                algorithm: input.encryption_algorithm.as_deref(),
                context: &input.encryption_context,
            };
            let opened = engine::decrypt(&tx, &ctx, given, "Decrypt").await?;
            dry_run(input.dry_run)?;
            Ok(DecryptOutput {
                key_id: Some(opened.key_arn),
                plaintext: Some(opened.text.into()),
                encryption_algorithm: Some(opened.algorithm),
                key_material_id: opened.material_id,
                ..DecryptOutput::default()
            })
        })
        .await
    }
}
