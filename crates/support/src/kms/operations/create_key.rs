//! `CreateKey`: makes a symmetric key.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{default_policy, key, shown};
use crate::api::kms::operations::CreateKey;
use crate::api::kms::shapes::{CreateKeyInput, CreateKeyOutput};
use crate::kms::Kms;
use crate::kms::store::{KEYS, KeyRow};

impl Handler<CreateKey> for Kms {
    fn authorize(&self, _: &Context, _: &CreateKeyInput) -> Vec<Access> {
        vec![Access::new("kms:CreateKey", "*")]
    }

    async fn handle(
        &self,
        ctx: Context,
        input: CreateKeyInput,
    ) -> Result<CreateKeyOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let usage = input.key_usage.as_deref().unwrap_or("ENCRYPT_DECRYPT");
            let spec = input
                .key_spec
                .as_deref()
                .or(input.customer_master_key_spec.as_deref())
                .unwrap_or("SYMMETRIC_DEFAULT");
            if usage != "ENCRYPT_DECRYPT" || spec != "SYMMETRIC_DEFAULT" {
                return Err(ServiceError::unsupported(format!("a key of spec {spec} for {usage}")));
            }
            if input.origin.as_ref().is_some_and(|o| o != "AWS_KMS") {
                return Err(ServiceError::unsupported("a key with material from elsewhere"));
            }
            let id = tx.ids().uuid();
            let row = KeyRow {
                created_ms: tx.now_ms(),
                description: input.description.clone().unwrap_or_default(),
                policy: input.policy.clone().unwrap_or_else(|| default_policy(&ctx)),
                enabled: true,
                rotation_days: None,
                deletion_ms: None,
                multi_region: input.multi_region.unwrap_or(false),
                tags: input
                    .tags
                    .iter()
                    .flatten()
                    .map(|t| (t.tag_key.clone(), t.tag_value.clone()))
                    .collect(),
            };
            KEYS.put(&tx, &key(&ctx, &id), &row)?;
            Ok(CreateKeyOutput { key_metadata: Some(shown(&ctx, &id, &row)) })
        })
        .await
    }
}
