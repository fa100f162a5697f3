//! `CreateUser`: makes a user.

use super::{access, shown_user, tags};
use crate::error::exists;
use crate::store::{USERS, UserRow};
use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::Iam;
use crate::api::iam::operations::CreateUser;
use crate::api::iam::shapes::{CreateUserInput, CreateUserOutput};

impl Handler<CreateUser> for Iam {
    fn authorize(&self, ctx: &Context, input: &CreateUserInput) -> Vec<Access> {
        access(ctx, "CreateUser", "user", &input.user_name)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: CreateUserInput,
    ) -> Result<CreateUserOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let key = (ctx.account().to_owned(), input.user_name.clone());
            if USERS.get(&tx, &key).await?.is_some() {
                return Err(exists("User", &input.user_name));
            }
            let row = UserRow {
                id: format!("AIDA{}", tx.ids().alphanumeric(17).to_uppercase()),
                name: input.user_name.clone(),
                path: input.path.clone().unwrap_or_else(|| "/".to_owned()),
                tags: tags(input.tags.as_deref()),
                created_ms: tx.now_ms(),
            };
            USERS.put(&tx, &key, &row)?;
            Ok(CreateUserOutput { user: Some(shown_user(&ctx, &row)) })
        })
        .await
    }
}
