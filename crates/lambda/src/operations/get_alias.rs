//! `GetAlias`: an alias.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::Lambda;
use crate::api::lambda::operations::GetAlias;
use crate::api::lambda::shapes::{AliasConfiguration, GetAliasInput};
use crate::describe;
use crate::error::no_alias;
use crate::name::FunctionName;
use crate::store::ALIASES;

impl Handler<GetAlias> for Lambda {
    fn authorize(&self, ctx: &Context, input: &GetAliasInput) -> Vec<Access> {
        super::access(ctx, "GetAlias", &input.function_name, None)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: GetAliasInput,
    ) -> Result<AliasConfiguration, ServiceError> {
        let name = FunctionName::parse(&ctx, &input.function_name, None)?;
        let row = ALIASES.read(ctx.store(), &name.qualified_key(&input.name)).await?;
        let row = row.ok_or_else(|| no_alias(name.arn_with(&input.name)))?;
        Ok(describe::alias(&name, &input.name, &row))
    }
}
