//! `ListFunctionEventInvokeConfigs`: all of a function, its versions and aliases.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::Lambda;
use crate::api::lambda::operations::ListFunctionEventInvokeConfigs;
use crate::api::lambda::shapes::{
    ListFunctionEventInvokeConfigsInput, ListFunctionEventInvokeConfigsOutput,
};
use crate::describe;
use crate::name::FunctionName;
use crate::store::INVOKE_CONFIGS;

impl Handler<ListFunctionEventInvokeConfigs> for Lambda {
    fn authorize(&self, ctx: &Context, input: &ListFunctionEventInvokeConfigsInput) -> Vec<Access> {
        super::access(ctx, "ListFunctionEventInvokeConfigs", &input.function_name, None)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: ListFunctionEventInvokeConfigsInput,
    ) -> Result<ListFunctionEventInvokeConfigsOutput, ServiceError> {
        let name = FunctionName::parse(&ctx, &input.function_name, None)?;
        let size = super::page_size(input.max_items);
        let tx = ctx.store().begin().await?;
        super::require(&tx, &name).await?;
        let key = name.key();
        let range = match &input.marker {
            Some(last) => INVOKE_CONFIGS.after(&key, &name.qualified_key(last)),
            None => INVOKE_CONFIGS.prefix(&key),
        };
        let rows = INVOKE_CONFIGS.scan(&tx, range, size + 1, false).await?;
        let next_marker = rows.get(size).and(rows.get(size - 1)).map(|(key, _)| key.3.clone());
        let shown = rows.iter().take(size);
        let shown = shown.map(|(key, row)| describe::invoke_config(name.arn_with(&key.3), row));
        Ok(ListFunctionEventInvokeConfigsOutput {
            function_event_invoke_configs: Some(shown.collect()),
            next_marker,
        })
    }
}
