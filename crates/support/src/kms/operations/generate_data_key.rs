//! `GenerateDataKey`: makes a key to encrypt data with, plain and encrypted.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{access, allowed, dry_run, no_recipient};
use crate::api::kms::operations::GenerateDataKey;
use crate::api::kms::shapes::{GenerateDataKeyInput, GenerateDataKeyOutput};
use crate::kms::Kms;
use crate::kms::{crypto, engine};

impl Handler<GenerateDataKey> for Kms {
    fn authorize(&self, ctx: &Context, input: &GenerateDataKeyInput) -> Vec<Access> {
        access(ctx, "GenerateDataKey", &input.key_id)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: GenerateDataKeyInput,
    ) -> Result<GenerateDataKeyOutput, ServiceError> {
        allowed(&ctx, "GenerateDataKey", &input.key_id).await?;
        ctx.transact(input, |tx, ctx, input| async move {
            no_recipient(input.recipient.is_some())?;
            let count = engine::data_key_bytes(input.key_spec.as_deref(), input.number_of_bytes)?;
            let text = crypto::random(tx.ids(), count);
            let made = engine::encrypt(
                &tx,
                &ctx,
                &input.key_id,
                None,
                &input.encryption_context,
                &text,
                "GenerateDataKey",
            )
            .await?;
            dry_run(input.dry_run)?;
            Ok(GenerateDataKeyOutput {
                ciphertext_blob: Some(made.blob.into()),
                plaintext: Some(text.into()),
                key_id: Some(made.key_arn),
                key_material_id: made.material_id,
                ..GenerateDataKeyOutput::default()
            })
        })
        .await
    }
}
