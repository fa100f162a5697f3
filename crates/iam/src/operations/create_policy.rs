//! `CreatePolicy`: makes a managed policy with its first version.

use super::{access, check_policy, shown_policy, tags};
use crate::store::{POLICIES, PolicyRow, VERSIONS, VersionRow};
use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::Iam;
use crate::api::iam::operations::CreatePolicy;
use crate::api::iam::shapes::{CreatePolicyInput, CreatePolicyOutput};

impl Handler<CreatePolicy> for Iam {
    fn authorize(&self, ctx: &Context, input: &CreatePolicyInput) -> Vec<Access> {
        access(ctx, "CreatePolicy", "policy", &input.policy_name)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: CreatePolicyInput,
    ) -> Result<CreatePolicyOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let key = (ctx.account().to_owned(), input.policy_name.clone());
            if POLICIES.get(&tx, &key).await?.is_some() {
                return Err(ServiceError::new(
                    "EntityAlreadyExistsException",
                    format!(
                        "A policy called {} already exists. Duplicate names are not allowed.",
                        input.policy_name
                    ),
                ));
            }
            check_policy(&input.policy_document)?;
            let row = PolicyRow {
                id: format!("ANPA{}", tx.ids().alphanumeric(17).to_uppercase()),
                name: input.policy_name.clone(),
                path: input.path.clone().unwrap_or_else(|| "/".to_owned()),
                description: input.description.clone(),
                default_version: 1,
                last_version: 1,
                tags: tags(input.tags.as_deref()),
                created_ms: tx.now_ms(),
                updated_ms: tx.now_ms(),
            };
            let version =
                VersionRow { document: input.policy_document.clone(), created_ms: tx.now_ms() };
            VERSIONS.put(&tx, &(key.0.clone(), key.1.clone(), 1), &version)?;
            POLICIES.put(&tx, &key, &row)?;
            Ok(CreatePolicyOutput { policy: Some(shown_policy(&tx, &ctx, &row).await?) })
        })
        .await
    }
}
