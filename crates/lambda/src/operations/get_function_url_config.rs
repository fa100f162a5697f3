//! `GetFunctionUrlConfig`: the address of a function or alias.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::Lambda;
use crate::api::lambda::operations::GetFunctionUrlConfig;
use crate::api::lambda::shapes::{GetFunctionUrlConfigInput, GetFunctionUrlConfigOutput};
use crate::error::no_resource;
use crate::name::FunctionName;
use crate::store::URLS;
use crate::urls;

impl Handler<GetFunctionUrlConfig> for Lambda {
    fn authorize(&self, ctx: &Context, input: &GetFunctionUrlConfigInput) -> Vec<Access> {
        super::access(ctx, "GetFunctionUrlConfig", &input.function_name, input.qualifier.as_deref())
    }

    async fn handle(
        &self,
        ctx: Context,
        input: GetFunctionUrlConfigInput,
    ) -> Result<GetFunctionUrlConfigOutput, ServiceError> {
        let name = FunctionName::parse(&ctx, &input.function_name, input.qualifier.as_deref())?;
        let tx = ctx.store().begin().await?;
        let key = name.qualified_key(name.qualifier.as_deref().unwrap_or_default());
        let row = URLS.get(&tx, &key).await?.ok_or_else(no_resource)?;
        let found = urls::describe(&ctx, &key, &row);
        Ok(GetFunctionUrlConfigOutput {
            function_url: found.function_url,
            function_arn: found.function_arn,
            auth_type: found.auth_type,
            cors: found.cors,
            creation_time: found.creation_time,
            last_modified_time: found.last_modified_time,
            invoke_mode: found.invoke_mode,
        })
    }
}
