//! `DeleteFunctionEventInvokeConfig`: goes back to the defaults.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::events;
use crate::Lambda;
use crate::api::lambda::operations::DeleteFunctionEventInvokeConfig;
use crate::api::lambda::shapes::{
    DeleteFunctionEventInvokeConfigInput, DeleteFunctionEventInvokeConfigOutput,
};
use crate::name::FunctionName;
use crate::store::INVOKE_CONFIGS;

impl Handler<DeleteFunctionEventInvokeConfig> for Lambda {
    fn authorize(
        &self,
        ctx: &Context,
        input: &DeleteFunctionEventInvokeConfigInput,
    ) -> Vec<Access> {
        super::access(
            ctx,
            "DeleteFunctionEventInvokeConfig",
            &input.function_name,
            input.qualifier.as_deref(),
        )
    }

    async fn handle(
        &self,
        ctx: Context,
        input: DeleteFunctionEventInvokeConfigInput,
    ) -> Result<DeleteFunctionEventInvokeConfigOutput, ServiceError> {
        let name = FunctionName::parse(&ctx, &input.function_name, input.qualifier.as_deref())?;
        ctx.transact(name, |tx, _, name| async move {
            let key = events::key(&name);
            if INVOKE_CONFIGS.get(&tx, &key).await?.is_none() {
                return Err(events::missing(&name));
            }
            INVOKE_CONFIGS.delete(&tx, &key)?;
            Ok(DeleteFunctionEventInvokeConfigOutput::default())
        })
        .await
    }
}
