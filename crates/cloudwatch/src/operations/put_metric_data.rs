//! `PutMetricData`: adds values to metrics.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::access;
use crate::CloudWatch;
use crate::aggregate::Aggregate;
use crate::api::cloudwatch::operations::PutMetricData;
use crate::api::cloudwatch::shapes::{MetricDatum, PutMetricDataInput, PutMetricDataOutput};
use crate::error::{invalid_combination, invalid_value, missing};
use crate::gather::{Named, Point};
use crate::limits::{DATA_MAX, FUTURE_MS, PAST_MS, VALUE_MAX, VALUES_MAX};
use crate::series::ordered;

impl Handler<PutMetricData> for CloudWatch {
    fn authorize(&self, _: &Context, input: &PutMetricDataInput) -> Vec<Access> {
        let mut access = access("PutMetricData");
        for access in &mut access {
            let namespace = vec![input.namespace.clone()];
            access.conditions.push(("cloudwatch:namespace".to_owned(), namespace));
        }
        access
    }

    async fn handle(
        &self,
        ctx: Context,
        input: PutMetricDataInput,
    ) -> Result<PutMetricDataOutput, ServiceError> {
        if input.entity_metric_data.as_ref().is_some_and(|all| !all.is_empty()) {
            return Err(ServiceError::unsupported("EntityMetricData"));
        }
        let data = input.metric_data.as_deref().unwrap_or_default();
        if data.is_empty() {
            return Err(missing("The parameter MetricData is required."));
        }
        if data.len() > DATA_MAX {
            return Err(invalid_value(format!(
                "The collection MetricData must not have a size greater than {DATA_MAX}."
            )));
        }
        if input.namespace.starts_with("AWS/") {
            return Err(invalid_value("The value AWS/ for parameter Namespace is invalid."));
        }
        let mut points = Vec::with_capacity(data.len());
        let mut names = Vec::with_capacity(data.len());
        for (index, datum) in data.iter().enumerate() {
            points.push(point(&ctx, index + 1, datum)?);
            names.push((datum.metric_name.as_str(), ordered(datum.dimensions.as_ref())));
        }
        let named = names.iter().map(|(name, dimensions)| Named {
            account: ctx.account(),
            region: ctx.region(),
            namespace: &input.namespace,
            name,
            dimensions,
        });
        let points: Vec<_> = named.zip(points).collect();
        // Who watches a call has to see its writes, and what runs in the dark has a store of its own.
        match ctx.side() {
            None => self.gatherer.put(&points).await?,
            Some(_) => self.gatherer.put_on(ctx.store(), &points).await?,
        }
        Ok(PutMetricDataOutput::default())
    }
}

fn point(ctx: &Context, number: usize, datum: &MetricDatum) -> Result<Point, ServiceError> {
    let of = |what: &str| format!("MetricData.member.{number}.{what}");
    let resolution = match datum.storage_resolution {
        None | Some(60) => 60,
        Some(1) => 1,
        Some(_) => {
            return Err(invalid_value(format!(
                "The parameter {} must be a value in the set [ 1, 60 ].",
                of("StorageResolution")
            )));
        }
    };
    let mut dimensions = ordered(datum.dimensions.as_ref());
    dimensions.dedup_by_key(|(name, _)| *name);
    if dimensions.len() < datum.dimensions.as_ref().map_or(0, Vec::len) {
        return Err(invalid_value(format!(
            "The collection {} has a dimension more than once.",
            of("Dimensions")
        )));
    }
    let now = ctx.now_ms();
    let at_ms = datum.timestamp.map_or(now, |at| at.millis());
    if at_ms < now - PAST_MS || at_ms > now + FUTURE_MS {
        return Err(invalid_value(format!(
            "The parameter {} must specify a time within the past two weeks and no more than two \
             hours in the future.",
            of("Timestamp")
        )));
    }
    Ok(Point {
        at_s: at_ms.div_euclid(1000),
        resolution,
        unit: datum.unit.clone().unwrap_or_else(|| "None".to_owned()),
        aggregate: aggregate(datum, of)?,
    })
}

fn aggregate(datum: &MetricDatum, of: impl Fn(&str) -> String) -> Result<Aggregate, ServiceError> {
    let check = |value: f64, what: &str| match value.is_finite() && value.abs() <= VALUE_MAX {
        true => Ok(value),
        false => {
            Err(invalid_value(format!("The value {value} for parameter {} is invalid.", of(what))))
        }
    };
    let mut all = Aggregate::default();
    match (datum.value, &datum.statistic_values, &datum.values) {
        (Some(value), None, None) if datum.counts.is_none() => {
            all.add(check(value, "Value")?, 1.0);
        }
        (None, Some(set), None) if datum.counts.is_none() => {
            for (value, what) in [
                (set.sample_count, "StatisticValues.SampleCount"),
                (set.sum, "StatisticValues.Sum"),
                (set.minimum, "StatisticValues.Minimum"),
                (set.maximum, "StatisticValues.Maximum"),
            ] {
                check(value, what)?;
            }
            if set.sample_count <= 0.0 {
                return Err(invalid_value(format!(
                    "The parameter {} must be greater than 0.",
                    of("StatisticValues.SampleCount")
                )));
            }
            if set.minimum > set.maximum {
                return Err(invalid_combination(format!(
                    "The parameters {} and {} are invalid: the minimum is greater than the maximum.",
                    of("StatisticValues.Minimum"),
                    of("StatisticValues.Maximum")
                )));
            }
            all.add_set(set.sample_count, set.sum, set.minimum, set.maximum);
        }
        (None, None, Some(values)) if !values.is_empty() => {
            if values.len() > VALUES_MAX {
                return Err(invalid_value(format!(
                    "The collection {} must not have a size greater than {VALUES_MAX}.",
                    of("Values")
                )));
            }
            let counts = datum.counts.as_deref();
            if counts.is_some_and(|counts| counts.len() != values.len()) {
                return Err(invalid_value(format!(
                    "The parameters {} and {} must be of the same size.",
                    of("Values"),
                    of("Counts")
                )));
            }
            for (index, value) in values.iter().enumerate() {
                let count = counts.and_then(|counts| counts.get(index)).copied().unwrap_or(1.0);
                if check(count, "Counts")? < 0.0 {
                    return Err(invalid_value(format!(
                        "The value {count} for parameter {} is invalid.",
                        of("Counts")
                    )));
                }
                if count > 0.0 {
                    all.add(check(*value, "Values")?, count);
                }
            }
        }
        (None, None, _) => {
            return Err(missing(format!(
                "At least one of the parameters {}, {} or {} must be specified.",
                of("Value"),
                of("Values"),
                of("StatisticValues")
            )));
        }
        _ => {
            return Err(invalid_combination(format!(
                "The parameters {}, {} and {} are mutually exclusive and you have specified more \
                 than one of them.",
                of("Value"),
                of("Values"),
                of("StatisticValues")
            )));
        }
    }
    Ok(all)
}
