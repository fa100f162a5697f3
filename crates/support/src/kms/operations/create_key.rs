//! `CreateKey`: makes a key.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{check_policy, default_policy, invalid, key, shown};
use crate::api::kms::operations::CreateKey;
use crate::api::kms::shapes::{CreateKeyInput, CreateKeyOutput};
use crate::kms::Kms;
use crate::kms::crypto::{self, Spec};
use crate::kms::material;
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
        let (spec, usage) = wanted(&input)?;
        let bytes = crypto::generate(std::sync::Arc::clone(&ctx.env().ids), spec).await?;
        ctx.transact((input, bytes, usage), |tx, ctx, given| async move {
            let (input, bytes, usage) = &*given;
            let is_multi = input.multi_region.unwrap_or(false);
            let id = match is_multi {
                true => format!("mrk-{}", tx.ids().uuid().replace('-', "")),
                false => tx.ids().uuid(),
            };
            let place = key(&ctx, &id);
            let policy = input.policy.clone().unwrap_or_else(|| default_policy(&ctx));
            check_policy(&policy)?;
            let tags = input.tags.iter().flatten();
            let mut row = KeyRow {
                description: input.description.clone().unwrap_or_default(),
                multi_region: is_multi,
                tags: tags.map(|t| (t.tag_key.clone(), t.tag_value.clone())).collect(),
                usage: usage.clone(),
                ..KeyRow::new(tx.now_ms(), policy)
            };
            if let Some(spec) = spec_name(input) {
                row.spec = spec.to_owned();
            }
            material::put(&tx, ctx.kernel(), &place, 0, bytes, "")?;
            KEYS.put(&tx, &place, &row)?;
            Ok(CreateKeyOutput { key_metadata: Some(shown(&ctx, &id, &row)) })
        })
        .await
    }
}

fn spec_name(input: &CreateKeyInput) -> Option<&str> {
    input.key_spec.as_deref().or(input.customer_master_key_spec.as_deref())
}

/// Spec and usage, if they go together.
fn wanted(input: &CreateKeyInput) -> Result<(Spec, String), ServiceError> {
    if input.origin.as_ref().is_some_and(|origin| origin != "AWS_KMS") {
        return Err(ServiceError::unsupported("a key with material from elsewhere"));
    }
    if input.custom_key_store_id.is_some() {
        return Err(ServiceError::unsupported("a custom key store"));
    }
    let name = spec_name(input).unwrap_or("SYMMETRIC_DEFAULT");
    let spec = Spec::parse(name)
        .ok_or_else(|| ServiceError::unsupported(format!("a key of spec {name}")))?;
    let usage = match (input.key_usage.as_deref(), spec) {
        (Some(usage), _) => usage,
        (None, Spec::Symmetric) => "ENCRYPT_DECRYPT",
        (None, _) => {
            return Err(invalid(
                "You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys.",
            ));
        }
    };
    if usage == "KEY_AGREEMENT" && spec.is_asymmetric() {
        return Err(ServiceError::unsupported("a key for KEY_AGREEMENT"));
    }
    if !spec.usages().contains(&usage) {
        return Err(invalid(&format!("KeyUsage {usage} is not compatible with KeySpec {name}")));
    }
    Ok((spec, usage.to_owned()))
}
