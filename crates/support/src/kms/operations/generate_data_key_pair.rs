//! `GenerateDataKeyPair`: makes a pair of keys, its private half plain and encrypted.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{access, allowed, dry_run, no_recipient};
use crate::api::kms::operations::GenerateDataKeyPair;
use crate::api::kms::shapes::{GenerateDataKeyPairInput, GenerateDataKeyPairOutput};
use crate::kms::Kms;
use crate::kms::{crypto, engine};

impl Handler<GenerateDataKeyPair> for Kms {
    fn authorize(&self, ctx: &Context, input: &GenerateDataKeyPairInput) -> Vec<Access> {
        access(ctx, "GenerateDataKeyPair", &input.key_id)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: GenerateDataKeyPairInput,
    ) -> Result<GenerateDataKeyPairOutput, ServiceError> {
        allowed(&ctx, "GenerateDataKeyPair", &input.key_id).await?;
        no_recipient(input.recipient.is_some())?;
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
                "GenerateDataKeyPair",
            )
            .await?;
            dry_run(input.dry_run)?;
            Ok(GenerateDataKeyPairOutput {
                private_key_ciphertext_blob: Some(made.blob.into()),
                private_key_plaintext: Some(pair.clone().into()),
                public_key: Some(public.into()),
                key_id: Some(made.key_arn),
                key_pair_spec: Some(input.key_pair_spec.clone()),
                key_material_id: made.material_id,
                ..GenerateDataKeyPairOutput::default()
            })
        })
        .await
    }
}
