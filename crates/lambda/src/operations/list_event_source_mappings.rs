//! `ListEventSourceMappings`: mappings, all or those of one function or source.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::Lambda;
use crate::api::lambda::operations::ListEventSourceMappings;
use crate::api::lambda::shapes::{ListEventSourceMappingsInput, ListEventSourceMappingsOutput};
use crate::mappings;
use crate::name::FunctionName;
use crate::store::MAPPINGS;

impl Handler<ListEventSourceMappings> for Lambda {
    fn authorize(&self, _: &Context, _: &ListEventSourceMappingsInput) -> Vec<Access> {
        vec![Access::new("lambda:ListEventSourceMappings", "*")]
    }

    async fn handle(
        &self,
        ctx: Context,
        input: ListEventSourceMappingsInput,
    ) -> Result<ListEventSourceMappingsOutput, ServiceError> {
        let wanted = input.function_name.as_deref();
        let wanted = wanted.map(|text| FunctionName::parse(&ctx, text, None)).transpose()?;
        let size = usize::try_from(input.max_items.unwrap_or(100)).unwrap_or(100).clamp(1, 100);
        let scope = (ctx.account().to_owned(), ctx.region().to_owned());
        let range = match &input.marker {
            Some(last) => MAPPINGS.after(&scope, &mappings::key(&ctx, last)),
            None => MAPPINGS.prefix(&scope),
        };
        let rows = MAPPINGS.list(ctx.store(), range, 10_000, false).await?;
        let is_wanted = |row: &crate::store::MappingRow| {
            let function = wanted.as_ref().is_none_or(|name| row.function == name.own_arn());
            let source = input.event_source_arn.as_ref().is_none_or(|arn| *arn == row.source);
            function && source
        };
        let mut rows: Vec<_> = rows.into_iter().filter(|(_, row)| is_wanted(row)).collect();
        let next_marker = rows.get(size).and(rows.get(size - 1)).map(|(key, _)| key.2.clone());
        rows.truncate(size);
        let tx = ctx.store().begin().await?;
        let mut shown = Vec::with_capacity(rows.len());
        for (key, row) in &rows {
            let state = mappings::state(row);
            shown.push(mappings::described(&ctx, &tx, &key.2, row, state).await?);
        }
        Ok(ListEventSourceMappingsOutput { event_source_mappings: Some(shown), next_marker })
    }
}
