//! `DeletePolicyVersion`: deletes a version that is not the default.

use super::{no_such_version, policy_access, require_own_policy, version_number};
use crate::error::conflict;
use crate::store::VERSIONS;
use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::Iam;
use crate::api::iam::operations::DeletePolicyVersion;
use crate::api::iam::shapes::{DeletePolicyVersionInput, DeletePolicyVersionOutput};

impl Handler<DeletePolicyVersion> for Iam {
    fn authorize(&self, _: &Context, input: &DeletePolicyVersionInput) -> Vec<Access> {
        policy_access("DeletePolicyVersion", &input.policy_arn)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: DeletePolicyVersionInput,
    ) -> Result<DeletePolicyVersionOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let row = require_own_policy(&tx, &ctx, &input.policy_arn).await?;
            let number = version_number(&input.version_id);
            if number == row.default_version {
                return Err(conflict("Cannot delete the default version of a policy."));
            }
            let key = (ctx.account().to_owned(), row.name, number);
            if VERSIONS.get(&tx, &key).await?.is_none() {
                return Err(no_such_version(&input.policy_arn, &input.version_id));
            }
            VERSIONS.delete(&tx, &key)?;
            Ok(DeletePolicyVersionOutput::default())
        })
        .await
    }
}
