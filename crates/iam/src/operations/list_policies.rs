//! `ListPolicies`: the managed policies of an account.

use super::{access, page, shown_policy};
use crate::store::POLICIES;
use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::Iam;
use crate::api::iam::operations::ListPolicies;
use crate::api::iam::shapes::{ListPoliciesInput, ListPoliciesOutput};

impl Handler<ListPolicies> for Iam {
    fn authorize(&self, ctx: &Context, _: &ListPoliciesInput) -> Vec<Access> {
        access(ctx, "ListPolicies", "policy", "*")
    }

    async fn handle(
        &self,
        ctx: Context,
        input: ListPoliciesInput,
    ) -> Result<ListPoliciesOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            if input.scope.as_deref() == Some("AWS") {
                return Err(ServiceError::unsupported("listing the policies that AWS manages"));
            }
            let prefix = POLICIES.prefix(&(ctx.account().to_owned(),));
            let mut policies = Vec::new();
            for (_, row) in POLICIES.scan(&tx, prefix, 10_000, false).await? {
                let policy = shown_policy(&tx, &ctx, &row).await?;
                let attached = policy.attachment_count.unwrap_or(0) > 0;
                if attached || !input.only_attached.unwrap_or(false) {
                    policies.push(policy);
                }
            }
            let (policies, marker) = page(policies, input.marker.as_ref(), input.max_items)?;
            Ok(ListPoliciesOutput {
                policies: Some(policies),
                is_truncated: Some(marker.is_some()),
                marker,
            })
        })
        .await
    }
}
