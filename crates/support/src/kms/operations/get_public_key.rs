//! `GetPublicKey`: the public half of a key.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{access, allowed, require, shown, usable};
use crate::api::kms::operations::GetPublicKey;
use crate::api::kms::shapes::{GetPublicKeyInput, GetPublicKeyOutput};
use crate::kms::Kms;
use crate::kms::{crypto, engine, material};

impl Handler<GetPublicKey> for Kms {
    fn authorize(&self, ctx: &Context, input: &GetPublicKeyInput) -> Vec<Access> {
        access(ctx, "GetPublicKey", &input.key_id)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: GetPublicKeyInput,
    ) -> Result<GetPublicKeyOutput, ServiceError> {
        allowed(&ctx, "GetPublicKey", &input.key_id).await?;
        ctx.transact(input, |tx, ctx, input| async move {
            let (key, row) = require(&tx, &ctx, &input.key_id).await?;
            usable(&ctx, &key.2, &row)?;
            let spec = engine::spec(&row)?;
            if !spec.is_asymmetric() {
                return Err(engine::not_for(&ctx, &key, &row, "GetPublicKey"));
            }
            let material = material::current(&tx, ctx.kernel(), &key, &row).await?;
            let metadata = shown(&ctx, &key.2, &row);
            Ok(GetPublicKeyOutput {
                key_id: metadata.arn,
                public_key: Some(crypto::public_key(spec, &material.bytes)?.into()),
                customer_master_key_spec: metadata.customer_master_key_spec,
                key_spec: metadata.key_spec,
                key_usage: metadata.key_usage,
                encryption_algorithms: metadata.encryption_algorithms,
                signing_algorithms: metadata.signing_algorithms,
                ..GetPublicKeyOutput::default()
            })
        })
        .await
    }
}
