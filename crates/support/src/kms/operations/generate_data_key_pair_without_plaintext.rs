//! `GenerateDataKeyPairWithoutPlaintext`: makes a pair of keys, its private half only encrypted.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{access, allowed, dry_run};
use crate::api::kms::operations::GenerateDataKeyPairWithoutPlaintext;
use crate::api::kms::shapes::{
    GenerateDataKeyPairWithoutPlaintextInput, GenerateDataKeyPairWithoutPlaintextOutput,
};
use crate::kms::Kms;
use crate::kms::{crypto, engine};

impl Handler<GenerateDataKeyPairWithoutPlaintext> for Kms {
    fn authorize(
        &self,
        ctx: &Context,
        input: &GenerateDataKeyPairWithoutPlaintextInput,
    ) -> Vec<Access> {
        access(ctx, "GenerateDataKeyPairWithoutPlaintext", &input.key_id)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: GenerateDataKeyPairWithoutPlaintextInput,
    ) -> Result<GenerateDataKeyPairWithoutPlaintextOutput, ServiceError> {
        allowed(&ctx, "GenerateDataKeyPairWithoutPlaintext", &input.key_id).await?;
        let spec = engine::pair_spec(&input.key_pair_spec)?;
        let pair = crypto::generate(std::sync::Arc::clone(&ctx.env().ids), spec).await?;
        ctx.transact((input, pair), |tx, ctx, given| async move {
            let (input, pair) = &*given;
            let public = crypto::public_key(spec, pair)?;
            let made = engine::encrypt(
                &tx,
                &ctx,
                &input.key_id,
                None,
                &input.encryption_context,
                pair,
                "GenerateDataKeyPairWithoutPlaintext",
            )
            .await?;
            dry_run(input.dry_run)?;
            Ok(GenerateDataKeyPairWithoutPlaintextOutput {
                private_key_ciphertext_blob: Some(made.blob.into()),

                public_key: Some(public.into()),
                key_id: Some(made.key_arn),
                key_pair_spec: Some(input.key_pair_spec.clone()),
                key_material_id: made.material_id,
            })
        })
        .await
    }
}
