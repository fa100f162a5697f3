//! `ListDashboards`: the dashboards of an account.

use undercast_kernel::{Access, Context, Handler, ServiceError};
use undercast_smithy::Timestamp;

use super::{access, dashboard_arn};
use crate::CloudWatch;
use crate::api::cloudwatch::operations::ListDashboards;
use crate::api::cloudwatch::shapes::{DashboardEntry, ListDashboardsInput, ListDashboardsOutput};
use crate::store::DASHBOARDS;

const PAGE: usize = 1_000;

impl Handler<ListDashboards> for CloudWatch {
    fn authorize(&self, _: &Context, _: &ListDashboardsInput) -> Vec<Access> {
        access("ListDashboards")
    }

    async fn handle(
        &self,
        ctx: Context,
        input: ListDashboardsInput,
    ) -> Result<ListDashboardsOutput, ServiceError> {
        let scope = (ctx.account().to_owned(), String::new());
        let prefix = input.dashboard_name_prefix.as_deref().unwrap_or_default();
        let range = match input.next_token {
            Some(last) => DASHBOARDS.after(&scope, &(scope.0.clone(), String::new(), last)),
            None => DASHBOARDS.starting_with(&scope, prefix),
        };
        let mut rows = DASHBOARDS.list(ctx.store(), range, PAGE + 1, false).await?;
        rows.retain(|(key, _)| key.2.starts_with(prefix));
        let more = rows.len() > PAGE;
        rows.truncate(PAGE);
        let next_token = rows.last().filter(|_| more).map(|(key, _)| key.2.clone());
        let entries = rows.into_iter().map(|(key, row)| DashboardEntry {
            dashboard_arn: Some(dashboard_arn(&ctx, &key.2)),
            dashboard_name: Some(key.2),
            last_modified: Some(Timestamp::from_millis(row.modified_ms)),
            size: i64::try_from(row.body.len()).ok(),
        });
        Ok(ListDashboardsOutput { dashboard_entries: Some(entries.collect()), next_token })
    }
}
