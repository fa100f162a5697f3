//! `DeleteFunctionConcurrency`: gives reserved concurrency back.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::Lambda;
use crate::api::lambda::operations::DeleteFunctionConcurrency;
use crate::api::lambda::shapes::{DeleteFunctionConcurrencyInput, DeleteFunctionConcurrencyOutput};
use crate::name::FunctionName;
use crate::store::FUNCTIONS;

impl Handler<DeleteFunctionConcurrency> for Lambda {
    fn authorize(&self, ctx: &Context, input: &DeleteFunctionConcurrencyInput) -> Vec<Access> {
        super::access(ctx, "DeleteFunctionConcurrency", &input.function_name, None)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: DeleteFunctionConcurrencyInput,
    ) -> Result<DeleteFunctionConcurrencyOutput, ServiceError> {
        let name = FunctionName::parse(&ctx, &input.function_name, None)?;
        ctx.transact(name, |tx, _, name| async move {
            let mut row = super::require(&tx, &name).await?;
            row.reserved = None;
            FUNCTIONS.put(&tx, &name.key(), &row)?;
            Ok(DeleteFunctionConcurrencyOutput::default())
        })
        .await
    }
}
