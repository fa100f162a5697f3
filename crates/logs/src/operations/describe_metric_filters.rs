//! `DescribeMetricFilters`: the metric filters of a group, or of all groups.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{FILTERS_MAX, access, offset, require};
use crate::Logs;
use crate::api::logs::operations::DescribeMetricFilters;
use crate::api::logs::shapes::{
    DescribeMetricFiltersInput, DescribeMetricFiltersOutput, MetricFilter, MetricTransformation,
};
use crate::store::{FILTERS, FilterRow, GROUPS};

/// Groups with filters that one call looks at.
const GROUPS_MAX: usize = 10_000;

impl Handler<DescribeMetricFilters> for Logs {
    fn authorize(&self, ctx: &Context, input: &DescribeMetricFiltersInput) -> Vec<Access> {
        let group = input.log_group_name.as_deref().unwrap_or("*");
        access(ctx, "DescribeMetricFilters", group)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: DescribeMetricFiltersInput,
    ) -> Result<DescribeMetricFiltersOutput, ServiceError> {
        let skipped = offset(input.next_token.as_ref())?;
        ctx.transact(input, move |tx, ctx, input| async move {
            let groups = match &input.log_group_name {
                Some(name) => vec![require(&tx, &ctx, name).await?],
                None => {
                    let scope = (ctx.account().to_owned(), ctx.region().to_owned());
                    GROUPS.scan(&tx, GROUPS.prefix(&scope), GROUPS_MAX, false).await?
                }
            };
            let mut found = Vec::new();
            for (key, group) in groups.into_iter().filter(|(_, group)| group.filters > 0) {
                let range = FILTERS.prefix(&(group.number,));
                let rows = FILTERS.scan(&tx, range, FILTERS_MAX, false).await?;
                let fits = |name: &str, row: &FilterRow| {
                    input.filter_name_prefix.as_deref().is_none_or(|p| name.starts_with(p))
                        && input.metric_name.as_ref().is_none_or(|m| *m == row.metric)
                        && input.metric_namespace.as_ref().is_none_or(|n| *n == row.namespace)
                };
                let rows = rows.into_iter().filter(|((_, name), row)| fits(name, row));
                found.extend(rows.map(|((_, name), row)| shown(key.2.clone(), name, row)));
            }
            let size = usize::try_from(input.limit.unwrap_or(50)).unwrap_or(50);
            let more = found.len() > skipped.saturating_add(size);
            let page = found.into_iter().skip(skipped).take(size).collect();
            Ok(DescribeMetricFiltersOutput {
                metric_filters: Some(page),
                next_token: more.then(|| (skipped + size).to_string()),
            })
        })
        .await
    }
}

fn shown(group: String, name: String, row: FilterRow) -> MetricFilter {
    let metric = MetricTransformation {
        metric_name: row.metric,
        metric_namespace: row.namespace,
        metric_value: row.value,
        default_value: row.default,
        dimensions: Some(row.dimensions).filter(|all| !all.is_empty()),
        unit: row.unit,
    };
    MetricFilter {
        filter_name: Some(name),
        filter_pattern: Some(row.pattern),
        metric_transformations: Some(vec![metric]),
        creation_time: Some(row.created_ms),
        log_group_name: Some(group),
        ..MetricFilter::default()
    }
}
