//! `CreateFunctionUrlConfig`: gives a function or alias an address.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::Lambda;
use crate::api::lambda::operations::CreateFunctionUrlConfig;
use crate::api::lambda::shapes::{CreateFunctionUrlConfigInput, CreateFunctionUrlConfigOutput};
use crate::error::conflict;
use crate::name::FunctionName;
use crate::store::{URL_IDS, URLS, UrlOwnerRow, UrlRow};
use crate::urls;

const ID_CHARS: usize = 32;

impl Handler<CreateFunctionUrlConfig> for Lambda {
    fn authorize(&self, ctx: &Context, input: &CreateFunctionUrlConfigInput) -> Vec<Access> {
        super::access(
            ctx,
            "CreateFunctionUrlConfig",
            &input.function_name,
            input.qualifier.as_deref(),
        )
    }

    async fn handle(
        &self,
        ctx: Context,
        input: CreateFunctionUrlConfigInput,
    ) -> Result<CreateFunctionUrlConfigOutput, ServiceError> {
        let name = FunctionName::parse(&ctx, &input.function_name, input.qualifier.as_deref())?;
        let cors = input.cors.as_ref().and_then(urls::cors_row);
        ctx.transact((name, input, cors), |tx, ctx, input| async move {
            let (name, input, cors) = &*input;
            let key = urls::scope(&tx, name).await?;
            if URLS.get(&tx, &key).await?.is_some() {
                return Err(conflict(format!(
                    "Failed to create function url config for [functionArn = {}]. Error message:  FunctionUrlConfig exists for this Lambda function",
                    name.own_arn()
                )));
            }
            let row = UrlRow {
                id: tx.ids().alphanumeric(ID_CHARS),
                is_signed: input.auth_type == "AWS_IAM",
                streams: input.invoke_mode.as_deref() == Some("RESPONSE_STREAM"),
                cors: cors.clone(),
                created_ms: tx.now_ms(),
                modified_ms: tx.now_ms(),
            };
            URL_IDS.put(&tx, &(row.id.clone(),), &UrlOwnerRow { key: key.clone() })?;
            URLS.put(&tx, &key, &row)?;
            let made = urls::describe(&ctx, &key, &row);
            Ok(CreateFunctionUrlConfigOutput {
                function_url: made.function_url,
                function_arn: made.function_arn,
                auth_type: made.auth_type,
                cors: made.cors,
                creation_time: made.creation_time,
                invoke_mode: made.invoke_mode,
            })
        })
        .await
    }
}
