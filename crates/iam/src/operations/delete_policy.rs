//! `DeletePolicy`: deletes a managed policy that is attached to nobody.

use super::{policy_access, require_own_policy};
use crate::error::conflict;
use crate::store::{ATTACHMENTS, POLICIES, VERSIONS};
use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::Iam;
use crate::api::iam::operations::DeletePolicy;
use crate::api::iam::shapes::{DeletePolicyInput, DeletePolicyOutput};

impl Handler<DeletePolicy> for Iam {
    fn authorize(&self, _: &Context, input: &DeletePolicyInput) -> Vec<Access> {
        policy_access("DeletePolicy", &input.policy_arn)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: DeletePolicyInput,
    ) -> Result<DeletePolicyOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {

            let row = require_own_policy(&tx, &ctx, &input.policy_arn).await?;
            let attachments = ATTACHMENTS.prefix(&(ctx.account().to_owned(), input.policy_arn.clone()));
            if !ATTACHMENTS.scan(&tx, attachments, 1, false).await?.is_empty() {
                return Err(conflict("Cannot delete a policy attached to entities."));
            }
            let versions = VERSIONS.prefix(&(ctx.account().to_owned(), row.name.clone()));
            let versions = VERSIONS.scan(&tx, versions, 100, false).await?;
            if versions.len() > 1 {
                return Err(conflict("This policy has more than one version. Before you delete a policy, you must delete the policy's versions. The default version is deleted with the policy."));
            }
            for (key, _) in versions {
                VERSIONS.delete(&tx, &key)?;
            }
            POLICIES.delete(&tx, &(ctx.account().to_owned(), row.name))?;
            Ok(DeletePolicyOutput::default())
})
.await
    }
}
