//! `DescribeQueryDefinitions`: the kept queries of an account and region.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::offset;
use crate::Logs;
use crate::api::logs::operations::DescribeQueryDefinitions;
use crate::api::logs::shapes::{
    DescribeQueryDefinitionsInput, DescribeQueryDefinitionsOutput, QueryDefinition,
};
use crate::store::DEFINITIONS;

impl Handler<DescribeQueryDefinitions> for Logs {
    fn authorize(&self, _: &Context, _: &DescribeQueryDefinitionsInput) -> Vec<Access> {
        vec![Access::new("logs:DescribeQueryDefinitions", "*")]
    }

    async fn handle(
        &self,
        ctx: Context,
        input: DescribeQueryDefinitionsInput,
    ) -> Result<DescribeQueryDefinitionsOutput, ServiceError> {
        let skipped = offset(input.next_token.as_ref())?;
        let scope = (ctx.account().to_owned(), ctx.region().to_owned());
        let range = DEFINITIONS.prefix(&scope);
        let mut rows = DEFINITIONS.list(ctx.store(), range, 10_000, false).await?;
        let prefix = input.query_definition_name_prefix.as_deref().unwrap_or_default();
        rows.retain(|(_, row)| row.name.starts_with(prefix));
        rows.sort_by(|(_, a), (_, b)| a.name.cmp(&b.name));
        let size = usize::try_from(input.max_results.unwrap_or(1_000)).unwrap_or(1_000);
        let more = rows.len() > skipped.saturating_add(size);
        let shown = rows.into_iter().skip(skipped).take(size).map(|(key, row)| QueryDefinition {
            query_definition_id: Some(key.2),
            query_language: Some("CWLI".to_owned()),
            name: Some(row.name),
            query_string: Some(row.query),
            last_modified: Some(row.modified_ms),
            log_group_names: Some(row.groups),
            ..QueryDefinition::default()
        });
        Ok(DescribeQueryDefinitionsOutput {
            query_definitions: Some(shown.collect()),
            next_token: more.then(|| (skipped + size).to_string()),
        })
    }
}
