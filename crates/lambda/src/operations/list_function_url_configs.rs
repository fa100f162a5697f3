//! `ListFunctionUrlConfigs`: the addresses of a function and its aliases.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::Lambda;
use crate::api::lambda::operations::ListFunctionUrlConfigs;
use crate::api::lambda::shapes::{ListFunctionUrlConfigsInput, ListFunctionUrlConfigsOutput};
use crate::name::FunctionName;
use crate::store::URLS;
use crate::urls;

impl Handler<ListFunctionUrlConfigs> for Lambda {
    fn authorize(&self, ctx: &Context, input: &ListFunctionUrlConfigsInput) -> Vec<Access> {
        super::access(ctx, "ListFunctionUrlConfigs", &input.function_name, None)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: ListFunctionUrlConfigsInput,
    ) -> Result<ListFunctionUrlConfigsOutput, ServiceError> {
        let name = FunctionName::parse(&ctx, &input.function_name, None)?;
        let size = super::page_size(input.max_items);
        let tx = ctx.store().begin().await?;
        super::require(&tx, &name).await?;
        let key = name.key();
        let range = match &input.marker {
            Some(last) => URLS.after(&key, &name.qualified_key(last)),
            None => URLS.prefix(&key),
        };
        let rows = URLS.scan(&tx, range, size + 1, false).await?;
        let next_marker = rows.get(size).and(rows.get(size - 1)).map(|(key, _)| key.3.clone());
        let page = rows.iter().take(size).map(|(key, row)| urls::describe(&ctx, key, row));
        Ok(ListFunctionUrlConfigsOutput { next_marker, function_url_configs: page.collect() })
    }
}
