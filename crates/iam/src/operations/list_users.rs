//! `ListUsers`: the users of an account.

use super::{access, page, shown_user};
use crate::store::USERS;
use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::Iam;
use crate::api::iam::operations::ListUsers;
use crate::api::iam::shapes::{ListUsersInput, ListUsersOutput};

impl Handler<ListUsers> for Iam {
    fn authorize(&self, ctx: &Context, _: &ListUsersInput) -> Vec<Access> {
        access(ctx, "ListUsers", "user", "*")
    }

    async fn handle(
        &self,
        ctx: Context,
        input: ListUsersInput,
    ) -> Result<ListUsersOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let prefix = USERS.prefix(&(ctx.account().to_owned(),));
            let wanted = input.path_prefix.clone().unwrap_or_else(|| "/".to_owned());
            let rows = USERS.scan(&tx, prefix, 10_000, false).await?;
            let users: Vec<_> = rows
                .iter()
                .filter(|(_, row)| row.path.starts_with(&wanted))
                .map(|(_, row)| shown_user(&ctx, row))
                .collect();
            let (users, marker) = page(users, input.marker.as_ref(), input.max_items)?;
            Ok(ListUsersOutput { users, is_truncated: Some(marker.is_some()), marker })
        })
        .await
    }
}
