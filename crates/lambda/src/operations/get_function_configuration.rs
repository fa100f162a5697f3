//! `GetFunctionConfiguration`: the configuration of a version.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::Lambda;
use crate::api::lambda::operations::GetFunctionConfiguration;
use crate::api::lambda::shapes::{FunctionConfiguration, GetFunctionConfigurationInput};
use crate::describe;
use crate::name::FunctionName;

impl Handler<GetFunctionConfiguration> for Lambda {
    fn authorize(&self, ctx: &Context, input: &GetFunctionConfigurationInput) -> Vec<Access> {
        super::access(
            ctx,
            "GetFunctionConfiguration",
            &input.function_name,
            input.qualifier.as_deref(),
        )
    }

    async fn handle(
        &self,
        ctx: Context,
        input: GetFunctionConfigurationInput,
    ) -> Result<FunctionConfiguration, ServiceError> {
        let name = FunctionName::parse(&ctx, &input.function_name, input.qualifier.as_deref())?;
        let found = super::find(&ctx, &name).await?;
        let arn = name.own_arn();
        Ok(describe::configuration(&ctx, &name, arn, &found.version, &found.config))
    }
}
