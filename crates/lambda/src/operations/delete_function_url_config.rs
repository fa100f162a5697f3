//! `DeleteFunctionUrlConfig`: takes the address of a function or alias away.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::Lambda;
use crate::api::lambda::operations::DeleteFunctionUrlConfig;
use crate::api::lambda::shapes::{DeleteFunctionUrlConfigInput, DeleteFunctionUrlConfigOutput};
use crate::error::no_resource;
use crate::name::FunctionName;
use crate::urls;

impl Handler<DeleteFunctionUrlConfig> for Lambda {
    fn authorize(&self, ctx: &Context, input: &DeleteFunctionUrlConfigInput) -> Vec<Access> {
        super::access(
            ctx,
            "DeleteFunctionUrlConfig",
            &input.function_name,
            input.qualifier.as_deref(),
        )
    }

    async fn handle(
        &self,
        ctx: Context,
        input: DeleteFunctionUrlConfigInput,
    ) -> Result<DeleteFunctionUrlConfigOutput, ServiceError> {
        let name = FunctionName::parse(&ctx, &input.function_name, input.qualifier.as_deref())?;
        let key = name.qualified_key(name.qualifier.as_deref().unwrap_or_default());
        ctx.transact(key, |tx, _, key| async move {
            match urls::remove(&tx, &key).await? {
                true => Ok(DeleteFunctionUrlConfigOutput::default()),
                false => Err(no_resource()),
            }
        })
        .await
    }
}
