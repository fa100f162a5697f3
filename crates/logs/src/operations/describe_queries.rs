//! `DescribeQueries`: the queries of the last days.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::offset;
use crate::Logs;
use crate::api::logs::operations::DescribeQueries;
use crate::api::logs::shapes::{DescribeQueriesInput, DescribeQueriesOutput, QueryInfo};
use crate::store::QUERIES;

impl Handler<DescribeQueries> for Logs {
    fn authorize(&self, _: &Context, _: &DescribeQueriesInput) -> Vec<Access> {
        vec![Access::new("logs:DescribeQueries", "*")]
    }

    async fn handle(
        &self,
        ctx: Context,
        input: DescribeQueriesInput,
    ) -> Result<DescribeQueriesOutput, ServiceError> {
        let skipped = offset(input.next_token.as_ref())?;
        let scope = (ctx.account().to_owned(), ctx.region().to_owned());
        let mut rows = QUERIES.list(ctx.store(), QUERIES.prefix(&scope), 10_000, false).await?;
        rows.retain(|(_, row)| {
            input.status.as_ref().is_none_or(|status| *status == row.status)
                && input.log_group_name.as_ref().is_none_or(|group| row.groups.contains(group))
        });
        rows.sort_by_key(|(_, row)| std::cmp::Reverse(row.created_ms));
        let size = usize::try_from(input.max_results.unwrap_or(1_000)).unwrap_or(1_000);
        let more = rows.len() > skipped.saturating_add(size);
        let shown = rows.into_iter().skip(skipped).take(size).map(|(key, row)| QueryInfo {
            query_id: Some(key.2),
            query_language: Some("CWLI".to_owned()),
            query_string: Some(row.query),
            status: Some(row.status),
            create_time: Some(row.created_ms),
            log_group_name: row.groups.into_iter().next(),
            ..QueryInfo::default()
        });
        Ok(DescribeQueriesOutput {
            queries: Some(shown.collect()),
            next_token: more.then(|| (skipped + size).to_string()),
        })
    }
}
