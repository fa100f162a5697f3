//! `GetPolicyVersion`: the document of one version of a managed policy.

use super::{
    encode, no_such_version, policy_access, require_own_policy, shown_version, version_number,
};
use crate::store::VERSIONS;
use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::Iam;
use crate::api::iam::operations::GetPolicyVersion;
use crate::api::iam::shapes::{GetPolicyVersionInput, GetPolicyVersionOutput, PolicyVersion};

impl Handler<GetPolicyVersion> for Iam {
    fn authorize(&self, _: &Context, input: &GetPolicyVersionInput) -> Vec<Access> {
        policy_access("GetPolicyVersion", &input.policy_arn)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: GetPolicyVersionInput,
    ) -> Result<GetPolicyVersionOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            if let Some(document) = crate::managed::document(&input.policy_arn) {
                let version = PolicyVersion {
                    document: Some(encode(&document)),
                    version_id: Some(input.version_id.clone()),
                    is_default_version: Some(true),
                    create_date: None,
                };
                return Ok(GetPolicyVersionOutput { policy_version: Some(version) });
            }
            let row = require_own_policy(&tx, &ctx, &input.policy_arn).await?;
            let number = version_number(&input.version_id);
            let key = (ctx.account().to_owned(), row.name.clone(), number);
            let version = VERSIONS
                .get(&tx, &key)
                .await?
                .ok_or_else(|| no_such_version(&input.policy_arn, &input.version_id))?;
            Ok(GetPolicyVersionOutput {
                policy_version: Some(shown_version(&row, number, &version, true)),
            })
        })
        .await
    }
}
