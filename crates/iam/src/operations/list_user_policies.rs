//! `ListUserPolicies`: the names of the inline policies of a user.

use super::{access, page, require_owner};
use crate::store::INLINE;
use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::Iam;
use crate::api::iam::operations::ListUserPolicies;
use crate::api::iam::shapes::{ListUserPoliciesInput, ListUserPoliciesOutput};

impl Handler<ListUserPolicies> for Iam {
    fn authorize(&self, ctx: &Context, input: &ListUserPoliciesInput) -> Vec<Access> {
        access(ctx, "ListUserPolicies", "user", &input.user_name)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: ListUserPoliciesInput,
    ) -> Result<ListUserPoliciesOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            require_owner(&tx, &ctx, "user", &input.user_name).await?;
            let owner = (ctx.account().to_owned(), "user".to_owned(), input.user_name.clone());
            let rows = INLINE.scan(&tx, INLINE.prefix(&owner), 1_000, false).await?;
            let names = rows.into_iter().map(|(key, _)| key.3).collect();
            let (policy_names, marker) = page(names, input.marker.as_ref(), input.max_items)?;
            Ok(ListUserPoliciesOutput {
                policy_names,
                is_truncated: Some(marker.is_some()),
                marker,
            })
        })
        .await
    }
}
