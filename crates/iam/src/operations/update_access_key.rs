//! `UpdateAccessKey`: switches a key on or off.

use super::{access, require_key, user_name};
use crate::store::KEYS;
use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::Iam;
use crate::api::iam::operations::UpdateAccessKey;
use crate::api::iam::shapes::{UpdateAccessKeyInput, UpdateAccessKeyOutput};

impl Handler<UpdateAccessKey> for Iam {
    fn authorize(&self, ctx: &Context, input: &UpdateAccessKeyInput) -> Vec<Access> {
        access(ctx, "UpdateAccessKey", "user", input.user_name.as_deref().unwrap_or_default())
    }

    async fn handle(
        &self,
        ctx: Context,
        input: UpdateAccessKeyInput,
    ) -> Result<UpdateAccessKeyOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let name = user_name(&ctx, input.user_name.as_deref())?;
            let mut row = require_key(&tx, &ctx, &name, &input.access_key_id).await?;
            row.active = input.status == "Active";
            KEYS.put(&tx, &input.access_key_id, &row)?;
            Ok(UpdateAccessKeyOutput::default())
        })
        .await
    }
}
