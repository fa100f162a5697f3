//! `GetMetricStatistics`: statistics of one metric over time.

use std::collections::BTreeMap;

use undercast_kernel::{Access, Context, Handler, ServiceError};
use undercast_smithy::Timestamp;

use super::access;
use crate::CloudWatch;
use crate::aggregate::Aggregate;
use crate::api::cloudwatch::operations::GetMetricStatistics;
use crate::api::cloudwatch::shapes::{
    Datapoint, GetMetricStatisticsInput, GetMetricStatisticsOutput,
};
use crate::error::{invalid_combination, invalid_value, missing};
use crate::limits::{DAY_MS, STATISTICS_POINTS_MAX};
use crate::series::{Statistic, Wanted, Window, is_period, measured};

impl Handler<GetMetricStatistics> for CloudWatch {
    fn authorize(&self, _: &Context, _: &GetMetricStatisticsInput) -> Vec<Access> {
        access("GetMetricStatistics")
    }

    async fn handle(
        &self,
        ctx: Context,
        input: GetMetricStatisticsInput,
    ) -> Result<GetMetricStatisticsOutput, ServiceError> {
        let window = window(&ctx, &input)?;
        let plain = input.statistics.as_deref().unwrap_or_default();
        let extended = input.extended_statistics.as_deref().unwrap_or_default();
        if plain.is_empty() && extended.is_empty() {
            return Err(missing("Must specify either Statistics or ExtendedStatistics"));
        }
        for name in extended {
            match Statistic::of_query(name) {
                Ok(Statistic::Percentile(_)) => {}
                Err(error) if error.code() == "NotImplemented" => return Err(error),
                _ => {
                    return Err(invalid_value(format!(
                        "The value {name} for parameter ExtendedStatistics is not supported."
                    )));
                }
            }
        }
        let wanted = Wanted {
            namespace: &input.namespace,
            name: &input.metric_name,
            dimensions: input.dimensions.as_ref(),
            unit: input.unit.as_deref(),
        };
        self.gatherer.flush().await?;
        let measured = measured(&ctx, wanted, window).await?;
        let points = measured
            .into_iter()
            .map(|((start, unit), all)| point(start, unit, &all, plain, extended));
        Ok(GetMetricStatisticsOutput {
            label: Some(input.metric_name.clone()),
            datapoints: Some(points.collect()),
        })
    }
}

fn window(ctx: &Context, input: &GetMetricStatisticsInput) -> Result<Window, ServiceError> {
    let period = i64::from(input.period);
    if !is_period(period) {
        return Err(invalid_value(
            "The parameter Period must be 1, 5, 10, 20, 30 or a multiple of 60.",
        ));
    }
    let (start, end) = (input.start_time.seconds(), input.end_time.seconds());
    if start >= end {
        return Err(invalid_value(
            "The parameter StartTime must be less than the parameter EndTime.",
        ));
    }
    // What is older is only kept in longer intervals.
    let age_ms = ctx.now_ms() - input.start_time.millis();
    let grain = match period {
        1 | 5 | 10 | 20 | 30 => period,
        _ if age_ms > 63 * DAY_MS => 3_600,
        _ if age_ms > 15 * DAY_MS => 300,
        _ => 60,
    };
    let start = start - start.rem_euclid(grain);
    let asked = (end - start + period - 1) / period;
    if asked > STATISTICS_POINTS_MAX {
        return Err(invalid_combination(format!(
            "You have requested up to {asked} datapoints, which exceeds the limit of \
             {STATISTICS_POINTS_MAX}. You may reduce the datapoints requested by increasing \
             Period, or decreasing the time range."
        )));
    }
    Ok(Window { start, end, period })
}

fn point(
    start: i64,
    unit: String,
    all: &Aggregate,
    plain: &[String],
    extended: &[String],
) -> Datapoint {
    let plain = |name: &str| {
        let statistic = Statistic::parse(name).filter(|_| plain.iter().any(|p| p == name))?;
        statistic.of(all)
    };
    let extended: BTreeMap<_, _> = extended
        .iter()
        .filter_map(|name| Some((name.clone(), Statistic::parse(name)?.of(all)?)))
        .collect();
    Datapoint {
        timestamp: Some(Timestamp::from_seconds(start)),
        sample_count: plain("SampleCount"),
        average: plain("Average"),
        sum: plain("Sum"),
        minimum: plain("Minimum"),
        maximum: plain("Maximum"),
        unit: Some(unit),
        extended_statistics: Some(extended).filter(|all| !all.is_empty()),
    }
}
