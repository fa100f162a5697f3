//! `UpdateAlias`: gives a name to another key.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{access, key, require, require_alias};
use crate::api::kms::operations::UpdateAlias;
use crate::api::kms::shapes::{UpdateAliasInput, UpdateAliasOutput};
use crate::kms::Kms;
use crate::kms::store::ALIASES;

impl Handler<UpdateAlias> for Kms {
    fn authorize(&self, ctx: &Context, input: &UpdateAliasInput) -> Vec<Access> {
        access(ctx, "UpdateAlias", &input.target_key_id)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: UpdateAliasInput,
    ) -> Result<UpdateAliasOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let (target, _) = require(&tx, &ctx, &input.target_key_id).await?;
            let mut row = require_alias(&tx, &ctx, &input.alias_name).await?;
            row.key_id = target.2;
            row.updated_ms = tx.now_ms();
            ALIASES.put(&tx, &key(&ctx, &input.alias_name), &row)?;
            Ok(UpdateAliasOutput::default())
        })
        .await
    }
}
