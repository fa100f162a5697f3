//! `DescribeSubscriptionFilters`: the subscription filters of a group.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{access, require};
use crate::Logs;
use crate::api::logs::operations::DescribeSubscriptionFilters;
use crate::api::logs::shapes::{
    DescribeSubscriptionFiltersInput, DescribeSubscriptionFiltersOutput, SubscriptionFilter,
};
use crate::store::SUBSCRIPTIONS;

impl Handler<DescribeSubscriptionFilters> for Logs {
    fn authorize(&self, ctx: &Context, input: &DescribeSubscriptionFiltersInput) -> Vec<Access> {
        access(ctx, "DescribeSubscriptionFilters", &input.log_group_name)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: DescribeSubscriptionFiltersInput,
    ) -> Result<DescribeSubscriptionFiltersOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let (key, group) = require(&tx, &ctx, &input.log_group_name).await?;
            // There are never more than two of them: one page.
            let range = SUBSCRIPTIONS.prefix(&(group.number,));
            let rows = SUBSCRIPTIONS.scan(&tx, range, 10, false).await?;
            let prefix = input.filter_name_prefix.as_deref().unwrap_or_default();
            let rows = rows.into_iter().filter(|((_, name), _)| name.starts_with(prefix));
            let shown = rows.map(|((_, name), row)| SubscriptionFilter {
                filter_name: Some(name),
                log_group_name: Some(key.2.clone()),
                filter_pattern: Some(row.pattern),
                destination_arn: Some(row.destination),
                role_arn: row.role,
                distribution: Some(row.distribution),
                creation_time: Some(row.created_ms),
                ..SubscriptionFilter::default()
            });
            Ok(DescribeSubscriptionFiltersOutput {
                subscription_filters: Some(shown.collect()),
                next_token: None,
            })
        })
        .await
    }
}
