//! `ListAliases`: the aliases of a function, or those of one version.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::Lambda;
use crate::api::lambda::operations::ListAliases;
use crate::api::lambda::shapes::{ListAliasesInput, ListAliasesOutput};
use crate::describe;
use crate::name::FunctionName;
use crate::store::ALIASES;

impl Handler<ListAliases> for Lambda {
    fn authorize(&self, ctx: &Context, input: &ListAliasesInput) -> Vec<Access> {
        super::access(ctx, "ListAliases", &input.function_name, None)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: ListAliasesInput,
    ) -> Result<ListAliasesOutput, ServiceError> {
        let name = FunctionName::parse(&ctx, &input.function_name, None)?;
        let size = super::page_size(input.max_items);
        let tx = ctx.store().begin().await?;
        super::require(&tx, &name).await?;
        let key = name.key();
        let range = match &input.marker {
            Some(last) => ALIASES.after(&key, &name.qualified_key(last)),
            None => ALIASES.prefix(&key),
        };
        let is_wanted =
            |version: &str| input.function_version.as_deref().is_none_or(|v| v == version);
        let rows = ALIASES.scan(&tx, range, size + 1, false).await?;
        let next_marker = rows.get(size).and(rows.get(size - 1)).map(|(key, _)| key.3.clone());
        let aliases = rows
            .iter()
            .take(size)
            .filter(|(_, row)| is_wanted(&row.version))
            .map(|(key, row)| describe::alias(&name, &key.3, row));
        Ok(ListAliasesOutput { aliases: Some(aliases.collect()), next_marker })
    }
}
