//! `GetFunctionEventInvokeConfig`: how events that wait are treated.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::events;
use crate::Lambda;
use crate::api::lambda::operations::GetFunctionEventInvokeConfig;
use crate::api::lambda::shapes::{FunctionEventInvokeConfig, GetFunctionEventInvokeConfigInput};
use crate::describe;
use crate::name::FunctionName;
use crate::store::INVOKE_CONFIGS;

impl Handler<GetFunctionEventInvokeConfig> for Lambda {
    fn authorize(&self, ctx: &Context, input: &GetFunctionEventInvokeConfigInput) -> Vec<Access> {
        super::access(
            ctx,
            "GetFunctionEventInvokeConfig",
            &input.function_name,
            input.qualifier.as_deref(),
        )
    }

    async fn handle(
        &self,
        ctx: Context,
        input: GetFunctionEventInvokeConfigInput,
    ) -> Result<FunctionEventInvokeConfig, ServiceError> {
        let name = FunctionName::parse(&ctx, &input.function_name, input.qualifier.as_deref())?;
        let row = INVOKE_CONFIGS.read(ctx.store(), &events::key(&name)).await?;
        let row = row.ok_or_else(|| events::missing(&name))?;
        Ok(describe::invoke_config(events::arn(&name), &row))
    }
}
