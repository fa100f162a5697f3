//! `DeleteAccessKey`: deletes a key of a user.

use super::{access, require_key, user_name};
use crate::store::KEYS;
use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::Iam;
use crate::api::iam::operations::DeleteAccessKey;
use crate::api::iam::shapes::{DeleteAccessKeyInput, DeleteAccessKeyOutput};

impl Handler<DeleteAccessKey> for Iam {
    fn authorize(&self, ctx: &Context, input: &DeleteAccessKeyInput) -> Vec<Access> {
        access(ctx, "DeleteAccessKey", "user", input.user_name.as_deref().unwrap_or_default())
    }

    async fn handle(
        &self,
        ctx: Context,
        input: DeleteAccessKeyInput,
    ) -> Result<DeleteAccessKeyOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let name = user_name(&ctx, input.user_name.as_deref())?;
            require_key(&tx, &ctx, &name, &input.access_key_id).await?;
            KEYS.delete(&tx, &input.access_key_id)?;
            Ok(DeleteAccessKeyOutput::default())
        })
        .await
    }
}
