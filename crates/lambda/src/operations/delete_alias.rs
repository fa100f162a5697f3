//! `DeleteAlias`: takes a name from a version. One that is not there is no error.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::Lambda;
use crate::api::lambda::operations::DeleteAlias;
use crate::api::lambda::shapes::{DeleteAliasInput, DeleteAliasOutput};
use crate::name::FunctionName;
use crate::store::{ALIASES, INVOKE_CONFIGS, POLICIES};

impl Handler<DeleteAlias> for Lambda {
    fn authorize(&self, ctx: &Context, input: &DeleteAliasInput) -> Vec<Access> {
        super::access(ctx, "DeleteAlias", &input.function_name, None)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: DeleteAliasInput,
    ) -> Result<DeleteAliasOutput, ServiceError> {
        let name = FunctionName::parse(&ctx, &input.function_name, None)?;
        let key = name.qualified_key(&input.name);
        ctx.transact((name, key), |tx, _, input| async move {
            let (name, key) = &*input;
            super::require(&tx, name).await?;
            ALIASES.delete(&tx, key)?;
            POLICIES.delete(&tx, key)?;
            INVOKE_CONFIGS.delete(&tx, key)?;
            crate::urls::remove(&tx, key).await?;
            Ok(DeleteAliasOutput::default())
        })
        .await
    }
}
