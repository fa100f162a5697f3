//! `ListAttachedRolePolicies`: the managed policies attached to a role.

use super::{access, page, require_owner};
use crate::store::ATTACHED;
use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::Iam;
use crate::api::iam::operations::ListAttachedRolePolicies;
use crate::api::iam::shapes::{
    AttachedPolicy, ListAttachedRolePoliciesInput, ListAttachedRolePoliciesOutput,
};

impl Handler<ListAttachedRolePolicies> for Iam {
    fn authorize(&self, ctx: &Context, input: &ListAttachedRolePoliciesInput) -> Vec<Access> {
        access(ctx, "ListAttachedRolePolicies", "role", &input.role_name)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: ListAttachedRolePoliciesInput,
    ) -> Result<ListAttachedRolePoliciesOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            require_owner(&tx, &ctx, "role", &input.role_name).await?;
            let owner = (ctx.account().to_owned(), "role".to_owned(), input.role_name.clone());
            let rows = ATTACHED.scan(&tx, ATTACHED.prefix(&owner), 1_000, false).await?;
            let policies = rows
                .into_iter()
                .map(|(key, row)| AttachedPolicy {
                    policy_name: Some(row.name),
                    policy_arn: Some(key.3),
                })
                .collect();
            let (policies, marker) = page(policies, input.marker.as_ref(), input.max_items)?;
            Ok(ListAttachedRolePoliciesOutput {
                attached_policies: Some(policies),
                is_truncated: Some(marker.is_some()),
                marker,
            })
        })
        .await
    }
}
