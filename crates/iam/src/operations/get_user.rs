//! `GetUser`: one user; without a name the caller.

use super::{access, require_user, shown_user, user_name};
use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::Iam;
use crate::api::iam::operations::GetUser;
use crate::api::iam::shapes::{GetUserInput, GetUserOutput};

impl Handler<GetUser> for Iam {
    fn authorize(&self, ctx: &Context, input: &GetUserInput) -> Vec<Access> {
        access(ctx, "GetUser", "user", input.user_name.as_deref().unwrap_or_default())
    }

    async fn handle(
        &self,
        ctx: Context,
        input: GetUserInput,
    ) -> Result<GetUserOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let name = user_name(&ctx, input.user_name.as_deref())?;
            let row = require_user(&tx, &ctx, &name).await?;
            Ok(GetUserOutput { user: shown_user(&ctx, &row) })
        })
        .await
    }
}
