//! `DeleteAlias`: takes a name from its key.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{access, key, require_alias};
use crate::api::kms::operations::DeleteAlias;
use crate::api::kms::shapes::{DeleteAliasInput, DeleteAliasOutput};
use crate::kms::Kms;
use crate::kms::store::ALIASES;

impl Handler<DeleteAlias> for Kms {
    fn authorize(&self, ctx: &Context, input: &DeleteAliasInput) -> Vec<Access> {
        access(ctx, "DeleteAlias", &input.alias_name)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: DeleteAliasInput,
    ) -> Result<DeleteAliasOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            require_alias(&tx, &ctx, &input.alias_name).await?;
            ALIASES.delete(&tx, &key(&ctx, &input.alias_name))?;
            Ok(DeleteAliasOutput::default())
        })
        .await
    }
}
