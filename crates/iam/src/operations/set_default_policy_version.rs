//! `SetDefaultPolicyVersion`: chooses the version that counts.

use super::{no_such_version, policy_access, require_own_policy, version_number};
use crate::store::{POLICIES, VERSIONS};
use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::Iam;
use crate::api::iam::operations::SetDefaultPolicyVersion;
use crate::api::iam::shapes::{SetDefaultPolicyVersionInput, SetDefaultPolicyVersionOutput};

impl Handler<SetDefaultPolicyVersion> for Iam {
    fn authorize(&self, _: &Context, input: &SetDefaultPolicyVersionInput) -> Vec<Access> {
        policy_access("SetDefaultPolicyVersion", &input.policy_arn)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: SetDefaultPolicyVersionInput,
    ) -> Result<SetDefaultPolicyVersionOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let mut row = require_own_policy(&tx, &ctx, &input.policy_arn).await?;
            let number = version_number(&input.version_id);
            let key = (ctx.account().to_owned(), row.name.clone(), number);
            if VERSIONS.get(&tx, &key).await?.is_none() {
                return Err(no_such_version(&input.policy_arn, &input.version_id));
            }
            row.default_version = number;
            POLICIES.put(&tx, &(ctx.account().to_owned(), row.name.clone()), &row)?;
            Ok(SetDefaultPolicyVersionOutput::default())
        })
        .await
    }
}
