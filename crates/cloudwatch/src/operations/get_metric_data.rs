//! `GetMetricData`: metrics and metric math over time.

use undercast_kernel::{Access, Context, Handler, ServiceError};
use undercast_smithy::Timestamp;

use super::access;
use crate::CloudWatch;
use crate::api::cloudwatch::operations::GetMetricData;
use crate::api::cloudwatch::shapes::{
    GetMetricDataInput, GetMetricDataOutput, MetricDataQuery, MetricDataResult,
};
use crate::error::{invalid, invalid_token};
use crate::limits::{DATA_POINTS_MAX, QUERIES_MAX};
use crate::queries;

impl Handler<GetMetricData> for CloudWatch {
    fn authorize(&self, _: &Context, _: &GetMetricDataInput) -> Vec<Access> {
        access("GetMetricData")
    }

    async fn handle(
        &self,
        ctx: Context,
        input: GetMetricDataInput,
    ) -> Result<GetMetricDataOutput, ServiceError> {
        let all = &input.metric_data_queries;
        if all.is_empty() || all.len() > QUERIES_MAX {
            return Err(invalid(format!(
                "The collection MetricDataQueries must have a size between 1 and {QUERIES_MAX}."
            )));
        }
        let (start, end) = (input.start_time.seconds(), input.end_time.seconds());
        if start >= end {
            return Err(invalid(
                "The parameter StartTime must be less than the parameter EndTime.",
            ));
        }
        let checked = queries::check(all)?;
        let mut left = match &input.next_token {
            None => 0,
            Some(token) => token.parse().map_err(|_| invalid_token())?,
        };
        let asked = input.max_datapoints.and_then(|max| usize::try_from(max).ok());
        let mut room = asked.filter(|max| *max > 0).unwrap_or(DATA_POINTS_MAX).min(DATA_POINTS_MAX);
        let next = left + room;
        self.gatherer.flush().await?;
        let mut series = checked.evaluate(&ctx, start, end).await?;
        let mut results = Vec::new();
        let mut is_cut = false;
        for query in all.iter().filter(|query| query.return_data != Some(false)) {
            let series = series.remove(&query.id).unwrap_or_default();
            let mut points: Vec<(i64, f64)> = series.into_iter().collect();
            if input.scan_by.as_deref() != Some("TimestampAscending") {
                points.reverse();
            }
            // What earlier pages have shown is passed over.
            let shown = left.min(points.len());
            left -= shown;
            let points = points.get(shown..).unwrap_or_default();
            let (page, rest) = points.split_at(room.min(points.len()));
            room -= page.len();
            is_cut |= !rest.is_empty();
            results.push(MetricDataResult {
                id: Some(query.id.clone()),
                label: Some(label(query)),
                timestamps: Some(page.iter().map(|(at, _)| Timestamp::from_seconds(*at)).collect()),
                values: Some(page.iter().map(|(_, value)| *value).collect()),
                status_code: Some(
                    if rest.is_empty() { "Complete" } else { "PartialData" }.to_owned(),
                ),
                messages: None,
            });
        }
        Ok(GetMetricDataOutput {
            metric_data_results: Some(results),
            next_token: is_cut.then(|| next.to_string()),
            messages: Some(Vec::new()),
        })
    }
}

fn label(query: &MetricDataQuery) -> String {
    let metric = query.metric_stat.as_ref().and_then(|stat| stat.metric.metric_name.clone());
    query.label.clone().or(metric).unwrap_or_else(|| query.id.clone())
}
