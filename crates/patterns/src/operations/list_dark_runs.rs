//! `ListDarkRuns`: the runs of an account and region, by name, without their summaries.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{access, key, shown};
use crate::Release;
use crate::api::release::operations::ListDarkRuns;
use crate::api::release::shapes::{ListDarkRunsInput, ListDarkRunsOutput};
use crate::store::RUNS;

impl Handler<ListDarkRuns> for Release {
    fn authorize(&self, ctx: &Context, _: &ListDarkRunsInput) -> Vec<Access> {
        access(ctx, "ListDarkRuns", "*")
    }

    async fn handle(
        &self,
        ctx: Context,
        input: ListDarkRunsInput,
    ) -> Result<ListDarkRunsOutput, ServiceError> {
        let size = usize::try_from(input.max_results.unwrap_or(50)).unwrap_or(50);
        let scope = (ctx.account().to_owned(), ctx.region().to_owned());
        let range = match &input.next_token {
            Some(last) => RUNS.after(&scope, &key(&ctx, last)),
            None => RUNS.prefix(&scope),
        };
        let mut rows = RUNS.list(ctx.store(), range, size + 1, false).await?;
        let more = rows.len() > size;
        rows.truncate(size);
        let next_token = rows.last().filter(|_| more).map(|(key, _)| key.2.clone());
        let runs = rows.iter().map(|(key, row)| shown(&ctx, &key.2, row)).collect();
        Ok(ListDarkRunsOutput { dark_runs: Some(runs), next_token })
    }
}
