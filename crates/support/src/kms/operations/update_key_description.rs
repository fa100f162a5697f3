//! `UpdateKeyDescription`: changes what a key is said to be for.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{access, changeable, require};
use crate::api::kms::operations::UpdateKeyDescription;
use crate::api::kms::shapes::{UpdateKeyDescriptionInput, UpdateKeyDescriptionOutput};
use crate::kms::Kms;
use crate::kms::store::KEYS;

impl Handler<UpdateKeyDescription> for Kms {
    fn authorize(&self, ctx: &Context, input: &UpdateKeyDescriptionInput) -> Vec<Access> {
        access(ctx, "UpdateKeyDescription", &input.key_id)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: UpdateKeyDescriptionInput,
    ) -> Result<UpdateKeyDescriptionOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let (key, mut row) = require(&tx, &ctx, &input.key_id).await?;
            changeable(&ctx, &key.2, &row)?;
            row.description.clone_from(&input.description);
            KEYS.put(&tx, &key, &row)?;
            Ok(UpdateKeyDescriptionOutput::default())
        })
        .await
    }
}
