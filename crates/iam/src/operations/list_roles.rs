//! `ListRoles`: the roles of an account.

use super::{access, page, shown_role};
use crate::store::ROLES;
use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::Iam;
use crate::api::iam::operations::ListRoles;
use crate::api::iam::shapes::{ListRolesInput, ListRolesOutput};

impl Handler<ListRoles> for Iam {
    fn authorize(&self, ctx: &Context, _: &ListRolesInput) -> Vec<Access> {
        access(ctx, "ListRoles", "role", "*")
    }

    async fn handle(
        &self,
        ctx: Context,
        input: ListRolesInput,
    ) -> Result<ListRolesOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let prefix = ROLES.prefix(&(ctx.account().to_owned(),));
            let wanted = input.path_prefix.clone().unwrap_or_else(|| "/".to_owned());
            let rows = ROLES.scan(&tx, prefix, 10_000, false).await?;
            let roles: Vec<_> = rows
                .iter()
                .filter(|(_, row)| row.path.starts_with(&wanted))
                .map(|(_, row)| shown_role(&ctx, row))
                .collect();
            let (roles, marker) = page(roles, input.marker.as_ref(), input.max_items)?;
            Ok(ListRolesOutput { roles, is_truncated: Some(marker.is_some()), marker })
        })
        .await
    }
}
