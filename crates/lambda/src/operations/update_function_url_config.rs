//! `UpdateFunctionUrlConfig`: changes who may call an address, and how it answers.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::Lambda;
use crate::api::lambda::operations::UpdateFunctionUrlConfig;
use crate::api::lambda::shapes::{UpdateFunctionUrlConfigInput, UpdateFunctionUrlConfigOutput};
use crate::error::no_resource;
use crate::name::FunctionName;
use crate::store::URLS;
use crate::urls;

impl Handler<UpdateFunctionUrlConfig> for Lambda {
    fn authorize(&self, ctx: &Context, input: &UpdateFunctionUrlConfigInput) -> Vec<Access> {
        super::access(
            ctx,
            "UpdateFunctionUrlConfig",
            &input.function_name,
            input.qualifier.as_deref(),
        )
    }

    async fn handle(
        &self,
        ctx: Context,
        input: UpdateFunctionUrlConfigInput,
    ) -> Result<UpdateFunctionUrlConfigOutput, ServiceError> {
        let name = FunctionName::parse(&ctx, &input.function_name, input.qualifier.as_deref())?;
        let cors = input.cors.as_ref().map(urls::cors_row);
        ctx.transact((name, input, cors), |tx, ctx, input| async move {
            let (name, input, cors) = &*input;
            let key = urls::scope(&tx, name).await?;
            let mut row = URLS.get(&tx, &key).await?.ok_or_else(no_resource)?;
            if let Some(kind) = &input.auth_type {
                row.is_signed = kind == "AWS_IAM";
            }
            if let Some(mode) = &input.invoke_mode {
                row.streams = mode == "RESPONSE_STREAM";
            }
            if let Some(cors) = cors {
                row.cors.clone_from(cors);
            }
            row.modified_ms = tx.now_ms();
            URLS.put(&tx, &key, &row)?;
            let found = urls::describe(&ctx, &key, &row);
            Ok(UpdateFunctionUrlConfigOutput {
                function_url: found.function_url,
                function_arn: found.function_arn,
                auth_type: found.auth_type,
                cors: found.cors,
                creation_time: found.creation_time,
                last_modified_time: found.last_modified_time,
                invoke_mode: found.invoke_mode,
            })
        })
        .await
    }
}
