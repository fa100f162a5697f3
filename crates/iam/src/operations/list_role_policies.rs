//! `ListRolePolicies`: the names of the inline policies of a role.

use super::{access, page, require_owner};
use crate::store::INLINE;
use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::Iam;
use crate::api::iam::operations::ListRolePolicies;
use crate::api::iam::shapes::{ListRolePoliciesInput, ListRolePoliciesOutput};

impl Handler<ListRolePolicies> for Iam {
    fn authorize(&self, ctx: &Context, input: &ListRolePoliciesInput) -> Vec<Access> {
        access(ctx, "ListRolePolicies", "role", &input.role_name)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: ListRolePoliciesInput,
    ) -> Result<ListRolePoliciesOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            require_owner(&tx, &ctx, "role", &input.role_name).await?;
            let owner = (ctx.account().to_owned(), "role".to_owned(), input.role_name.clone());
            let rows = INLINE.scan(&tx, INLINE.prefix(&owner), 1_000, false).await?;
            let names = rows.into_iter().map(|(key, _)| key.3).collect();
            let (policy_names, marker) = page(names, input.marker.as_ref(), input.max_items)?;
            Ok(ListRolePoliciesOutput {
                policy_names,
                is_truncated: Some(marker.is_some()),
                marker,
            })
        })
        .await
    }
}
