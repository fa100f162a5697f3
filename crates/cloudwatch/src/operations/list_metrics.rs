//! `ListMetrics`: the metrics that were written to lately.

use undercast_kernel::{Access, Context, Handler, ServiceError};
use undercast_store::KeyRange;

use super::access;
use crate::CloudWatch;
use crate::api::cloudwatch::operations::ListMetrics;
use crate::api::cloudwatch::shapes::{
    Dimension, DimensionFilter, ListMetricsInput, ListMetricsOutput, Metric,
};
use crate::error::invalid_value;
use crate::limits::{HOUR_MS, LIST_PAGE, LISTED_MS};
use crate::store::{METRICS, MetricKey, MetricRow};

/// How many metrics one call looks at.
const LOOKED_AT_MAX: usize = 5_000;

impl Handler<ListMetrics> for CloudWatch {
    fn authorize(&self, _: &Context, _: &ListMetricsInput) -> Vec<Access> {
        access("ListMetrics")
    }

    async fn handle(
        &self,
        ctx: Context,
        input: ListMetricsInput,
    ) -> Result<ListMetricsOutput, ServiceError> {
        self.gatherer.flush().await?;
        let rows = METRICS.list(ctx.store(), range(&ctx, &input)?, LOOKED_AT_MAX, false).await?;
        let is_cut = rows.len() == LOOKED_AT_MAX;
        let seen = rows.last().map(|(key, _)| key.clone());
        let age = if input.recently_active.is_some() { 3 * HOUR_MS } else { LISTED_MS };
        // The row is an hour behind at most.
        let since = ctx.now_ms() - age - HOUR_MS;
        let mut found: Vec<_> = rows
            .into_iter()
            .filter(|(key, row)| row.written_ms >= since && fits(&input, key, row))
            .collect();
        let last = match found.len() > LIST_PAGE {
            true => {
                found.truncate(LIST_PAGE);
                found.last().map(|(key, _)| key.clone())
            }
            false => seen.filter(|_| is_cut),
        };
        let metrics = found.into_iter().map(|(key, row)| Metric {
            namespace: Some(key.2),
            metric_name: Some(key.3),
            dimensions: Some(
                row.dimensions.into_iter().map(|(name, value)| Dimension { name, value }).collect(),
            ),
        });
        Ok(ListMetricsOutput {
            metrics: Some(metrics.collect()),
            next_token: last.map(|key| serde_json::json!([key.2, key.3, key.4]).to_string()),
            ..ListMetricsOutput::default()
        })
    }
}

fn range(ctx: &Context, input: &ListMetricsInput) -> Result<KeyRange, ServiceError> {
    let (account, region) = (ctx.account().to_owned(), ctx.region().to_owned());
    let last = match &input.next_token {
        None => None,
        Some(token) => {
            let parsed: (String, String, String) = serde_json::from_str(token)
                .map_err(|_| invalid_value("The parameter NextToken is invalid."))?;
            Some((account.clone(), region.clone(), parsed.0, parsed.1, parsed.2))
        }
    };
    Ok(match (&input.namespace, last) {
        (Some(namespace), None) => METRICS.prefix(&(account, region, namespace.clone())),
        (Some(namespace), Some(last)) => {
            METRICS.after(&(account, region, namespace.clone()), &last)
        }
        (None, None) => METRICS.prefix(&(account, region)),
        (None, Some(last)) => METRICS.after(&(account, region), &last),
    })
}

fn fits(input: &ListMetricsInput, key: &MetricKey, row: &MetricRow) -> bool {
    let has = |filter: &DimensionFilter| {
        row.dimensions.iter().any(|(name, value)| {
            *name == filter.name && filter.value.as_ref().is_none_or(|wanted| wanted == value)
        })
    };
    input.metric_name.as_ref().is_none_or(|name| *name == key.3)
        && input.dimensions.iter().flatten().all(has)
}
