//! `ListPolicyVersions`: the versions of a managed policy.

use super::{page, policy_access, require_own_policy, shown_version};
use crate::store::VERSIONS;
use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::Iam;
use crate::api::iam::operations::ListPolicyVersions;
use crate::api::iam::shapes::{ListPolicyVersionsInput, ListPolicyVersionsOutput};

impl Handler<ListPolicyVersions> for Iam {
    fn authorize(&self, _: &Context, input: &ListPolicyVersionsInput) -> Vec<Access> {
        policy_access("ListPolicyVersions", &input.policy_arn)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: ListPolicyVersionsInput,
    ) -> Result<ListPolicyVersionsOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let row = require_own_policy(&tx, &ctx, &input.policy_arn).await?;
            let versions = VERSIONS.prefix(&(ctx.account().to_owned(), row.name.clone()));
            let rows = VERSIONS.scan(&tx, versions, 100, true).await?;
            let versions =
                rows.iter().map(|(key, v)| shown_version(&row, key.2, v, false)).collect();
            let (versions, marker) = page(versions, input.marker.as_ref(), input.max_items)?;
            Ok(ListPolicyVersionsOutput {
                versions: Some(versions),
                is_truncated: Some(marker.is_some()),
                marker,
            })
        })
        .await
    }
}
