//! What `GetMetricData` and alarms with several metrics ask: metrics, and expressions over them.

use std::collections::{BTreeMap, BTreeSet};

use undercast_kernel::{Context, ServiceError};

use crate::api::cloudwatch::shapes::{MetricDataQuery, MetricStat};
use crate::error::invalid;
use crate::math::{Expression, Scope, Wrong};
use crate::series::{Series, Statistic, Wanted, Window, is_period, statistic};

/// Queries that have been looked at.
#[derive(Debug)]
pub(crate) struct Checked<'a> {
    queries: &'a [MetricDataQuery],
    /// By id; in an order in which each has what it needs.
    expressions: Vec<(&'a str, Expression)>,
    /// The longest period of all metrics.
    pub(crate) period: i64,
}

fn of_wrong(id: &str, wrong: Wrong) -> ServiceError {
    match wrong {
        Wrong::Invalid(message) => invalid(format!("Error in expression '{id}': {message}")),
        Wrong::Unsupported(what) => ServiceError::unsupported(what),
    }
}

pub(crate) fn check(queries: &[MetricDataQuery]) -> Result<Checked<'_>, ServiceError> {
    let mut ids = BTreeSet::new();
    let mut expressions = Vec::new();
    let mut period = 1;
    for query in queries {
        let id = query.id.as_str();
        let is_id = id.starts_with(|c: char| c.is_ascii_lowercase())
            && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if !is_id {
            return Err(invalid(format!(
                "The value {id} for parameter MetricDataQueries.member.Id is not matching the \
                 expected pattern ^[a-z][a-zA-Z0-9_]*$."
            )));
        }
        if !ids.insert(id) {
            return Err(invalid(format!(
                "The values for parameter id in MetricDataQueries are not unique: {id}"
            )));
        }
        if query.account_id.is_some() {
            return Err(ServiceError::unsupported("AccountId of a metric data query"));
        }
        match (&query.metric_stat, &query.expression) {
            (Some(stat), None) => {
                check_stat(stat)?;
                period = period.max(i64::from(stat.period));
            }
            (None, Some(text)) => {
                let expression = Expression::parse(text).map_err(|wrong| of_wrong(id, wrong))?;
                expressions.push((id, expression));
            }
            _ => {
                return Err(invalid(format!(
                    "Exactly one of MetricStat and Expression has to be given for {id}."
                )));
            }
        }
    }
    for query in queries.iter().filter(|query| query.expression.is_some()) {
        let own = query.period.map_or(period, i64::from);
        if !is_period(own) {
            return Err(invalid(format!("Metric period {own} is invalid")));
        }
        period = period.max(own);
    }
    Ok(Checked { queries, expressions: in_order(&ids, expressions)?, period })
}

fn check_stat(stat: &MetricStat) -> Result<(), ServiceError> {
    if !is_period(i64::from(stat.period)) {
        return Err(invalid(format!("Metric period {} is invalid", stat.period)));
    }
    if stat.metric.metric_name.is_none() || stat.metric.namespace.is_none() {
        return Err(invalid("The parameters Metric.MetricName and Metric.Namespace are required."));
    }
    Statistic::of_query(&stat.stat).map(drop)
}

/// Expressions behind those that they name.
fn in_order<'a>(
    ids: &BTreeSet<&str>,
    mut left: Vec<(&'a str, Expression)>,
) -> Result<Vec<(&'a str, Expression)>, ServiceError> {
    let mut ordered = Vec::with_capacity(left.len());
    while !left.is_empty() {
        let open: BTreeSet<&str> = left.iter().map(|(id, _)| *id).collect();
        let (ready, rest): (Vec<_>, Vec<_>) = left
            .into_iter()
            .partition(|(_, expression)| !expression.names().iter().any(|n| open.contains(n)));
        for (id, expression) in &ready {
            if let Some(unknown) = expression.names().into_iter().find(|name| !ids.contains(name)) {
                return Err(invalid(format!(
                    "Error in expression '{id}': {unknown} is no query of the request"
                )));
            }
        }
        if ready.is_empty() {
            return Err(invalid("The expressions name each other in a circle."));
        }
        ordered.extend(ready);
        left = rest;
    }
    Ok(ordered)
}

impl Checked<'_> {
    /// The series of every query. A metric begins with the interval of its own period that holds the start.
    pub(crate) async fn evaluate(
        &self,
        ctx: &Context,
        start: i64,
        end: i64,
    ) -> Result<BTreeMap<String, Series>, ServiceError> {
        let mut metrics = Vec::new();
        for query in self.queries {
            let Some(stat) = &query.metric_stat else {
                continue;
            };
            let period = i64::from(stat.period);
            let window = Window { start: start - start.rem_euclid(period), end, period };
            let wanted = Wanted {
                namespace: stat.metric.namespace.as_deref().unwrap_or_default(),
                name: stat.metric.metric_name.as_deref().unwrap_or_default(),
                dimensions: stat.metric.dimensions.as_ref(),
                unit: stat.unit.as_deref(),
            };
            let of = Statistic::of_query(&stat.stat)?;
            metrics.push((query.id.clone(), statistic(ctx, wanted, window, of).await?));
        }
        let mut done = BTreeMap::new();
        for (id, expression) in &self.expressions {
            let scope = Scope {
                metrics: &metrics,
                expressions: &done,
                start: start - start.rem_euclid(self.period),
                end,
                period: self.period,
            };
            let series = expression.evaluate(&scope).map_err(|wrong| of_wrong(id, wrong))?;
            done.insert((*id).to_owned(), series);
        }
        done.extend(metrics);
        Ok(done)
    }
}
