//! `ListAttachedUserPolicies`: the managed policies attached to a user.

use super::{access, page, require_owner};
use crate::store::ATTACHED;
use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::Iam;
use crate::api::iam::operations::ListAttachedUserPolicies;
use crate::api::iam::shapes::{
    AttachedPolicy, ListAttachedUserPoliciesInput, ListAttachedUserPoliciesOutput,
};

impl Handler<ListAttachedUserPolicies> for Iam {
    fn authorize(&self, ctx: &Context, input: &ListAttachedUserPoliciesInput) -> Vec<Access> {
        access(ctx, "ListAttachedUserPolicies", "user", &input.user_name)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: ListAttachedUserPoliciesInput,
    ) -> Result<ListAttachedUserPoliciesOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            require_owner(&tx, &ctx, "user", &input.user_name).await?;
            let owner = (ctx.account().to_owned(), "user".to_owned(), input.user_name.clone());
            let rows = ATTACHED.scan(&tx, ATTACHED.prefix(&owner), 1_000, false).await?;
            let policies = rows
                .into_iter()
                .map(|(key, row)| AttachedPolicy {
                    policy_name: Some(row.name),
                    policy_arn: Some(key.3),
                })
                .collect();
            let (policies, marker) = page(policies, input.marker.as_ref(), input.max_items)?;
            Ok(ListAttachedUserPoliciesOutput {
                attached_policies: Some(policies),
                is_truncated: Some(marker.is_some()),
                marker,
            })
        })
        .await
    }
}
