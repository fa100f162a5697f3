//! `GetFunction`: the configuration of a version, where its code is, tags and concurrency.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::Lambda;
use crate::api::lambda::operations::GetFunction;
use crate::api::lambda::shapes::{Concurrency, FunctionCodeLocation};
use crate::api::lambda::shapes::{GetFunctionInput, GetFunctionOutput};
use crate::describe;
use crate::door;
use crate::name::FunctionName;

impl Handler<GetFunction> for Lambda {
    fn authorize(&self, ctx: &Context, input: &GetFunctionInput) -> Vec<Access> {
        super::access(ctx, "GetFunction", &input.function_name, input.qualifier.as_deref())
    }

    async fn handle(
        &self,
        ctx: Context,
        input: GetFunctionInput,
    ) -> Result<GetFunctionOutput, ServiceError> {
        let name = FunctionName::parse(&ctx, &input.function_name, input.qualifier.as_deref())?;
        let found = super::find(&ctx, &name).await?;
        let location = door::location(&ctx, &name, &found.version).await?;
        let reserved = found.row.reserved.and_then(|n| i32::try_from(n).ok());
        let tags = Some(found.row.tags.clone()).filter(|tags| !tags.is_empty());
        let arn = name.own_arn();
        Ok(GetFunctionOutput {
            configuration: Some(describe::configuration(
                &ctx,
                &name,
                arn,
                &found.version,
                &found.config,
            )),
            code: Some(FunctionCodeLocation {
                repository_type: Some("S3".to_owned()),
                location: Some(location),
                ..FunctionCodeLocation::default()
            }),
            tags,
            concurrency: reserved.map(|n| Concurrency { reserved_concurrent_executions: Some(n) }),
            tags_error: None,
        })
    }
}
