//! `GetFunctionConcurrency`: the concurrency reserved for a function.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::Lambda;
use crate::api::lambda::operations::GetFunctionConcurrency;
use crate::api::lambda::shapes::{GetFunctionConcurrencyInput, GetFunctionConcurrencyOutput};
use crate::name::FunctionName;

impl Handler<GetFunctionConcurrency> for Lambda {
    fn authorize(&self, ctx: &Context, input: &GetFunctionConcurrencyInput) -> Vec<Access> {
        super::access(ctx, "GetFunctionConcurrency", &input.function_name, None)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: GetFunctionConcurrencyInput,
    ) -> Result<GetFunctionConcurrencyOutput, ServiceError> {
        let name = FunctionName::parse(&ctx, &input.function_name, None)?;
        let row = super::require(&ctx.store().begin().await?, &name).await?;
        Ok(GetFunctionConcurrencyOutput {
            reserved_concurrent_executions: row.reserved.and_then(|n| i32::try_from(n).ok()),
        })
    }
}
