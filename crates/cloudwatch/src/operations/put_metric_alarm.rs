//! `PutMetricAlarm`: makes an alarm on a metric or an expression, or changes it.

use undercast_kernel::{Access, Context, Handler, ServiceError};
use undercast_smithy::document::to_document;

use super::{alarm_access, put_alarm};
use crate::CloudWatch;
use crate::alarms::judge::{Comparison, Treatment};
use crate::api::cloudwatch::operations::PutMetricAlarm;
use crate::api::cloudwatch::shapes::{PutMetricAlarmInput, PutMetricAlarmOutput};
use crate::error::invalid;
use crate::queries;
use crate::series::{Statistic, is_period};

const DAY_S: i64 = 86_400;
/// An alarm asks for this many metrics at most.
const METRICS_MAX: usize = 20;

impl Handler<PutMetricAlarm> for CloudWatch {
    fn authorize(&self, ctx: &Context, input: &PutMetricAlarmInput) -> Vec<Access> {
        alarm_access(ctx, "PutMetricAlarm", &[&input.alarm_name])
    }

    async fn handle(
        &self,
        ctx: Context,
        mut input: PutMetricAlarmInput,
    ) -> Result<PutMetricAlarmOutput, ServiceError> {
        check(&input)?;
        let tags = input.tags.take();
        let (name, settings) = (input.alarm_name.clone(), to_document(&input));
        put_alarm(&ctx, name, false, settings, tags).await?;
        Ok(PutMetricAlarmOutput::default())
    }
}

fn check(input: &PutMetricAlarmInput) -> Result<(), ServiceError> {
    if input.evaluation_criteria.is_some() || input.evaluation_interval.is_some() {
        return Err(ServiceError::unsupported("PromQL alarms"));
    }
    let operator = input.comparison_operator.as_deref();
    let operator = operator.ok_or_else(|| missing("ComparisonOperator"))?;
    if input.threshold_metric_id.is_some()
        || operator.contains("Upper")
        || operator.contains("Lower")
    {
        return Err(ServiceError::unsupported("anomaly detection"));
    }
    if Comparison::parse(operator).is_none() {
        return Err(invalid(format!("The comparison operator {operator} is invalid")));
    }
    let threshold = input.threshold.ok_or_else(|| missing("Threshold"))?;
    if !threshold.is_finite() {
        return Err(invalid("The value for parameter Threshold is invalid"));
    }
    let periods = input.evaluation_periods.ok_or_else(|| missing("EvaluationPeriods"))?;
    if input.datapoints_to_alarm.is_some_and(|needed| needed > periods) {
        return Err(invalid("DatapointsToAlarm must be less than or equal to EvaluationPeriods."));
    }
    let missing_data = input.treat_missing_data.as_deref().unwrap_or("missing");
    if Treatment::parse(missing_data).is_none() {
        return Err(invalid(format!(
            "The value {missing_data} for parameter TreatMissingData is not supported."
        )));
    }
    if input.evaluate_low_sample_count_percentile.is_some() {
        return Err(ServiceError::unsupported("EvaluateLowSampleCountPercentile"));
    }
    let period = match &input.metrics {
        None => check_metric(input)?,
        Some(_) => check_queries(input)?,
    };
    let most = if period >= 3_600 { 7 * DAY_S } else { DAY_S };
    if i64::from(periods) * period > most {
        return Err(invalid(format!(
            "Metrics cannot be checked across more than {} (EvaluationPeriods * Period must be <= {most}).",
            if most == DAY_S { "a day" } else { "seven days" }
        )));
    }
    Ok(())
}

fn missing(name: &str) -> ServiceError {
    invalid(format!("The parameter {name} is required."))
}

fn check_metric(input: &PutMetricAlarmInput) -> Result<i64, ServiceError> {
    if input.metric_name.is_none() {
        return Err(missing("MetricName"));
    }
    if input.namespace.is_none() {
        return Err(missing("Namespace"));
    }
    let period = i64::from(input.period.ok_or_else(|| missing("Period"))?);
    if !is_period(period) {
        return Err(invalid(format!(
            "Metric period {period} is invalid: it must be 10, 20, 30 or a multiple of 60"
        )));
    }
    match (&input.statistic, &input.extended_statistic) {
        (Some(_), None) => {}
        (None, Some(name)) => match Statistic::of_query(name)? {
            Statistic::Percentile(_) => {}
            _ => {
                return Err(invalid(format!(
                    "The value {name} for parameter ExtendedStatistic is not supported."
                )));
            }
        },
        _ => return Err(invalid("Exactly one of Statistic and ExtendedStatistic must be given.")),
    }
    Ok(period)
}

fn check_queries(input: &PutMetricAlarmInput) -> Result<i64, ServiceError> {
    let single = input.metric_name.is_some()
        || input.namespace.is_some()
        || input.statistic.is_some()
        || input.extended_statistic.is_some()
        || input.period.is_some()
        || input.dimensions.as_ref().is_some_and(|all| !all.is_empty());
    if single {
        return Err(invalid(
            "Metrics list and parameters of a single metric must not be specified together.",
        ));
    }
    let queries = input.metrics.as_deref().unwrap_or_default();
    if queries.is_empty() || queries.len() > METRICS_MAX {
        return Err(invalid(format!("Metrics must have between 1 and {METRICS_MAX} members.")));
    }
    if queries.iter().filter(|query| query.return_data != Some(false)).count() != 1 {
        return Err(invalid("Exactly one element of the metrics list should return data."));
    }
    Ok(queries::check(queries)?.period)
}
