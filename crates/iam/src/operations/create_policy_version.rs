//! `CreatePolicyVersion`: makes a new version of a managed policy.

use super::{check_policy, policy_access, require_own_policy, shown_version};
use crate::store::{POLICIES, VERSIONS, VersionRow};
use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::Iam;
use crate::api::iam::operations::CreatePolicyVersion;
use crate::api::iam::shapes::{CreatePolicyVersionInput, CreatePolicyVersionOutput};

impl Handler<CreatePolicyVersion> for Iam {
    fn authorize(&self, _: &Context, input: &CreatePolicyVersionInput) -> Vec<Access> {
        policy_access("CreatePolicyVersion", &input.policy_arn)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: CreatePolicyVersionInput,
    ) -> Result<CreatePolicyVersionOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {

            let mut row = require_own_policy(&tx, &ctx, &input.policy_arn).await?;
            check_policy(&input.policy_document)?;
            let versions = VERSIONS.prefix(&(ctx.account().to_owned(), row.name.clone()));
            if VERSIONS.scan(&tx, versions, 10, false).await?.len() >= VERSIONS_MAX {
                return Err(ServiceError::new("LimitExceededException", "A managed policy can have up to 5 versions. Before you create a new version, you must delete an existing version."));
            }
            row.last_version += 1;
            let number = row.last_version;
            let version = VersionRow { document: input.policy_document.clone(), created_ms: tx.now_ms() };
            VERSIONS.put(&tx, &(ctx.account().to_owned(), row.name.clone(), number), &version)?;
            if input.set_as_default.unwrap_or(false) {
                row.default_version = number;
            }
            row.updated_ms = tx.now_ms();
            POLICIES.put(&tx, &(ctx.account().to_owned(), row.name.clone()), &row)?;
            Ok(CreatePolicyVersionOutput { policy_version: Some(shown_version(&row, number, &version, false)) })
})
.await
    }
}

const VERSIONS_MAX: usize = 5;
