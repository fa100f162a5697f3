//! `GetQueryResults`: how far a query is, and what it has found.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{no_query, offset, query_key};
use crate::Logs;
use crate::api::logs::operations::GetQueryResults;
use crate::api::logs::shapes::{
    GetQueryResultsInput, GetQueryResultsOutput, QueryStatistics, ResultField,
};
use crate::store::{QUERIES, RESULTS};

impl Handler<GetQueryResults> for Logs {
    fn authorize(&self, _: &Context, _: &GetQueryResultsInput) -> Vec<Access> {
        vec![Access::new("logs:GetQueryResults", "*")]
    }

    async fn handle(
        &self,
        ctx: Context,
        input: GetQueryResultsInput,
    ) -> Result<GetQueryResultsOutput, ServiceError> {
        let key = query_key(&ctx, &input.query_id);
        let row = QUERIES.read(ctx.store(), &key).await?.ok_or_else(no_query)?;
        let skipped = offset(input.next_token.as_ref())?;
        let size = input.max_items.and_then(|n| usize::try_from(n).ok()).filter(|n| *n > 0);
        let size = size.unwrap_or(10_000);
        let chunks = usize::try_from(row.chunks).unwrap_or(0);
        let range = RESULTS.prefix(&(key.2.clone(),));
        let found = match row.status.as_str() {
            "Complete" | "Timeout" => RESULTS.list(ctx.store(), range, chunks, false).await?,
            _ => Vec::new(),
        };
        let mut rows: Vec<_> = found.into_iter().flat_map(|(_, chunk)| chunk.rows).collect();
        let more = rows.len() > skipped.saturating_add(size);
        rows = rows.into_iter().skip(skipped).take(size).collect();
        let shown = rows.into_iter().map(|fields| {
            let field = |(name, value)| ResultField { field: Some(name), value: Some(value) };
            fields.into_iter().map(field).collect()
        });
        let number = |value: u64| Some(value as f64);
        Ok(GetQueryResultsOutput {
            query_language: Some("CWLI".to_owned()),
            results: Some(shown.collect()),
            statistics: Some(QueryStatistics {
                records_matched: number(row.matched),
                records_scanned: number(row.scanned),
                bytes_scanned: number(row.bytes),
                estimated_records_skipped: Some(0.0),
                estimated_bytes_skipped: Some(0.0),
                log_groups_scanned: number(row.groups.len() as u64),
            }),
            status: Some(row.status),
            next_token: more.then(|| (skipped + size).to_string()),
            ..GetQueryResultsOutput::default()
        })
    }
}
