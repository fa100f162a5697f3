//! `GenerateDataKeyWithoutPlaintext`: makes a key to encrypt data with, only encrypted.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{access, allowed, dry_run};
use crate::api::kms::operations::GenerateDataKeyWithoutPlaintext;
use crate::api::kms::shapes::{
    GenerateDataKeyWithoutPlaintextInput, GenerateDataKeyWithoutPlaintextOutput,
};
use crate::kms::Kms;
use crate::kms::{crypto, engine};

impl Handler<GenerateDataKeyWithoutPlaintext> for Kms {
    fn authorize(
        &self,
        ctx: &Context,
        input: &GenerateDataKeyWithoutPlaintextInput,
    ) -> Vec<Access> {
        access(ctx, "GenerateDataKeyWithoutPlaintext", &input.key_id)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: GenerateDataKeyWithoutPlaintextInput,
    ) -> Result<GenerateDataKeyWithoutPlaintextOutput, ServiceError> {
        allowed(&ctx, "GenerateDataKeyWithoutPlaintext", &input.key_id).await?;
        ctx.transact(input, |tx, ctx, input| async move {
            let count = engine::data_key_bytes(input.key_spec.as_deref(), input.number_of_bytes)?;
            let text = crypto::random(tx.ids(), count);
            let made = engine::encrypt(
                &tx,
                &ctx,
                &input.key_id,
                None,
                &input.encryption_context,
                &text,
                "GenerateDataKeyWithoutPlaintext",
            )
            .await?;
            dry_run(input.dry_run)?;
            Ok(GenerateDataKeyWithoutPlaintextOutput {
                ciphertext_blob: Some(made.blob.into()),

                key_id: Some(made.key_arn),
                key_material_id: made.material_id,
            })
        })
        .await
    }
}
