//! `PutMetricFilter`: counts events of a group that match a pattern.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{FILTERS_MAX, access, invalid, limit_exceeded, require};
use crate::Logs;
use crate::api::logs::operations::PutMetricFilter;
use crate::api::logs::shapes::{MetricTransformation, PutMetricFilterInput, PutMetricFilterOutput};
use crate::pattern::Pattern;
use crate::store::{FILTERS, FilterRow, GROUPS};

impl Handler<PutMetricFilter> for Logs {
    fn authorize(&self, ctx: &Context, input: &PutMetricFilterInput) -> Vec<Access> {
        access(ctx, "PutMetricFilter", &input.log_group_name)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: PutMetricFilterInput,
    ) -> Result<PutMetricFilterOutput, ServiceError> {
        if input.apply_on_transformed_logs == Some(true)
            || input.field_selection_criteria.is_some()
            || input.emit_system_field_dimensions.is_some()
        {
            return Err(ServiceError::unsupported(
                "ApplyOnTransformedLogs, FieldSelectionCriteria and EmitSystemFieldDimensions",
            ));
        }
        Pattern::parse(&input.filter_pattern).map_err(invalid)?;
        let Some(metric) = input.metric_transformations.first().cloned() else {
            return Err(invalid("metricTransformations has to have one member"));
        };
        check(&metric)?;
        ctx.transact((input, metric), |tx, ctx, input| async move {
            let (input, metric) = &*input;
            let (key, mut group) = require(&tx, &ctx, &input.log_group_name).await?;
            let own = (group.number, input.filter_name.clone());
            let old = FILTERS.get(&tx, &own).await?;
            if old.is_none() {
                if usize::try_from(group.filters).is_ok_and(|count| count >= FILTERS_MAX) {
                    return Err(limit_exceeded());
                }
                group.filters += 1;
                GROUPS.put(&tx, &key, &group)?;
            }
            let row = FilterRow {
                pattern: input.filter_pattern.clone(),
                namespace: metric.metric_namespace.clone(),
                metric: metric.metric_name.clone(),
                value: metric.metric_value.clone(),
                default: metric.default_value,
                unit: metric.unit.clone(),
                dimensions: metric.dimensions.clone().unwrap_or_default(),
                created_ms: old.map_or_else(|| tx.now_ms(), |old| old.created_ms),
            };
            FILTERS.put(&tx, &own, &row)?;
            Ok(PutMetricFilterOutput::default())
        })
        .await
    }
}

fn check(metric: &MetricTransformation) -> Result<(), ServiceError> {
    let value = metric.metric_value.as_str();
    let is_number = value.parse::<f64>().is_ok_and(f64::is_finite);
    if !value.starts_with('$') && !is_number {
        return Err(invalid(format!("Invalid metric transformation: {value} is no metric value")));
    }
    let dimensions = metric.dimensions.iter().flatten();
    let dimensions: Vec<_> = dimensions.collect();
    if dimensions.len() > 3 {
        return Err(invalid("A metric filter has at most 3 dimensions"));
    }
    if dimensions.iter().any(|(_, selector)| !selector.starts_with('$')) {
        return Err(invalid("The value of a dimension has to be a field: $.name or $name"));
    }
    if !dimensions.is_empty() && metric.default_value.is_some() {
        return Err(invalid(
            "Invalid metric transformation: dimensions and default value are mutually exclusive properties.",
        ));
    }
    Ok(())
}
