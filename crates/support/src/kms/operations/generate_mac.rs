//! `GenerateMac`: a code for a message.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{access, allowed, arn, dry_run, using};
use crate::api::kms::operations::GenerateMac;
use crate::api::kms::shapes::{GenerateMacInput, GenerateMacOutput};
use crate::kms::Kms;
use crate::kms::{crypto, engine, material};

impl Handler<GenerateMac> for Kms {
    fn authorize(&self, ctx: &Context, input: &GenerateMacInput) -> Vec<Access> {
        access(ctx, "GenerateMac", &input.key_id)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: GenerateMacInput,
    ) -> Result<GenerateMacOutput, ServiceError> {
        allowed(&ctx, "GenerateMac", &input.key_id).await?;
        ctx.transact(input, |tx, ctx, input| async move {
            let (key, row) =
                using(&tx, &ctx, &input.key_id, "GENERATE_VERIFY_MAC", "GenerateMac").await?;
            engine::with_algorithm(&ctx, &key, &row, &input.mac_algorithm)?;
            let material = material::current(&tx, ctx.kernel(), &key, &row).await?;
            let mac = crypto::mac(&input.mac_algorithm, &material.bytes, &input.message.0)?;
            dry_run(input.dry_run)?;
            Ok(GenerateMacOutput {
                mac: Some(mac.into()),
                mac_algorithm: Some(input.mac_algorithm.clone()),
                key_id: Some(arn(&ctx, &key.2)),
            })
        })
        .await
    }
}
