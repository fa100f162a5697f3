//! `ReEncrypt`: decrypts with one key and encrypts with another, inside.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{access, allowed, dry_run};
use crate::api::kms::operations::ReEncrypt;
use crate::api::kms::shapes::{ReEncryptInput, ReEncryptOutput};
use crate::kms::Kms;
use crate::kms::engine;

impl Handler<ReEncrypt> for Kms {
    fn authorize(&self, ctx: &Context, input: &ReEncryptInput) -> Vec<Access> {
        let source =
            input.source_key_id.clone().or_else(|| engine::key_of(input.ciphertext_blob.as_ref()));
        let mut all = access(ctx, "ReEncryptTo", &input.destination_key_id);
        all.extend(source.iter().flat_map(|id| access(ctx, "ReEncryptFrom", id)));
        all
    }

    async fn handle(
        &self,
        ctx: Context,
        input: ReEncryptInput,
    ) -> Result<ReEncryptOutput, ServiceError> {
        if let Some(id) = &input.source_key_id {
            allowed(&ctx, "ReEncryptFrom", id).await?;
        }
        allowed(&ctx, "ReEncryptTo", &input.destination_key_id).await?;
        ctx.transact(input, |tx, ctx, input| async move {
            let given = engine::Given {
                blob: input.ciphertext_blob.as_ref(),
                key_id: input.source_key_id.as_deref(),
                algorithm: input.source_encryption_algorithm.as_deref(),
                context: &input.source_encryption_context,
            };
            let opened = engine::decrypt(&tx, &ctx, given, "ReEncrypt").await?;
            let algorithm = input.destination_encryption_algorithm.as_deref();
            let made = engine::encrypt(
                &tx,
                &ctx,
                &input.destination_key_id,
                algorithm,
                &input.destination_encryption_context,
                &opened.text,
                "ReEncrypt",
            )
            .await?;
            dry_run(input.dry_run)?;
            Ok(ReEncryptOutput {
                ciphertext_blob: Some(made.blob.into()),
                source_key_id: Some(opened.key_arn),
                key_id: Some(made.key_arn),
                source_encryption_algorithm: Some(opened.algorithm),
                destination_encryption_algorithm: Some(made.algorithm),
                source_key_material_id: opened.material_id,
                destination_key_material_id: made.material_id,
            })
        })
        .await
    }
}
