//! Values of a metric over time, as they are asked for.

use std::collections::BTreeMap;

use undercast_kernel::{Context, ServiceError};

use crate::aggregate::Aggregate;
use crate::api::cloudwatch::shapes::Dimension;
use crate::error::invalid;
use crate::gather::{Named, id_text};
use crate::limits::{RESOLUTIONS, SCAN_MAX};
use crate::store::POINTS;

/// By the second at which an interval starts.
pub(crate) type Series = BTreeMap<i64, f64>;

/// What is made of the values of an interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Statistic {
    SampleCount,
    Average,
    Sum,
    Minimum,
    Maximum,
    Percentile(f64),
}

impl Statistic {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "SampleCount" => Self::SampleCount,
            "Average" => Self::Average,
            "Sum" => Self::Sum,
            "Minimum" => Self::Minimum,
            "Maximum" => Self::Maximum,
            _ => {
                let digits = text.strip_prefix('p')?;
                let plain = digits.bytes().all(|b| b.is_ascii_digit() || b == b'.');
                let percent: f64 = digits.parse().ok().filter(|_| plain)?;
                return (0.0..=100.0).contains(&percent).then_some(Self::Percentile(percent));
            }
        })
    }

    /// The same for a query, where statistics that are not there are refused by name.
    pub(crate) fn of_query(text: &str) -> Result<Self, ServiceError> {
        Self::parse(text).ok_or_else(|| {
            let lower = text.to_ascii_lowercase();
            match ["tm", "tc", "ts", "wm", "iqm", "pr"].iter().any(|name| lower.starts_with(name)) {
                true => ServiceError::unsupported(format!("the statistic {text}")),
                false => invalid(format!("Invalid statistic: {text}")),
            }
        })
    }

    pub(crate) fn of(self, all: &Aggregate) -> Option<f64> {
        match self {
            Self::SampleCount => Some(all.count),
            Self::Average => Some(all.average()),
            Self::Sum => Some(all.sum),
            Self::Minimum => Some(all.low),
            Self::Maximum => Some(all.high),
            Self::Percentile(percent) => all.percentile(percent),
        }
    }
}

/// Which metric, and in which unit if that matters.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'a> {
    pub(crate) namespace: &'a str,
    pub(crate) name: &'a str,
    pub(crate) dimensions: Option<&'a Vec<Dimension>>,
    pub(crate) unit: Option<&'a str>,
}

/// Dimensions in the order in which they name a metric.
pub(crate) fn ordered(dimensions: Option<&Vec<Dimension>>) -> Vec<(&str, &str)> {
    let all = dimensions.into_iter().flatten().map(|d| (d.name.as_str(), d.value.as_str()));
    let mut all: Vec<_> = all.collect();
    all.sort_unstable();
    all
}

/// A window of intervals: start and end in seconds, and the seconds of each.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window {
    pub(crate) start: i64,
    pub(crate) end: i64,
    pub(crate) period: i64,
}

/// What was measured in each interval of the window, by unit.
pub(crate) async fn measured(
    ctx: &Context,
    wanted: Wanted<'_>,
    window: Window,
) -> Result<BTreeMap<(i64, String), Aggregate>, ServiceError> {
    let dimensions = ordered(wanted.dimensions);
    let named = Named {
        account: ctx.account(),
        region: ctx.region(),
        namespace: wanted.namespace,
        name: wanted.name,
        dimensions: &dimensions,
    };
    let id = id_text(&named.id());
    let seconds = resolution(window);
    let range = POINTS.between(&(id.clone(), seconds, window.start), &(id, seconds, window.end));
    let rows = POINTS.list(ctx.store(), range, SCAN_MAX, false).await?;
    let mut all: BTreeMap<(i64, String), Aggregate> = BTreeMap::new();
    for ((_, _, start, unit), aggregate) in rows {
        if wanted.unit.is_some_and(|wanted| wanted != unit) {
            continue;
        }
        let place = (start - window.start).div_euclid(window.period);
        let start = window.start + place * window.period;
        all.entry((start, unit)).or_default().merge(&aggregate);
    }
    Ok(all)
}

/// One statistic of it, whatever the unit.
pub(crate) async fn statistic(
    ctx: &Context,
    wanted: Wanted<'_>,
    window: Window,
    statistic: Statistic,
) -> Result<Series, ServiceError> {
    let mut merged: BTreeMap<i64, Aggregate> = BTreeMap::new();
    for ((start, _), aggregate) in measured(ctx, wanted, window).await? {
        merged.entry(start).or_default().merge(&aggregate);
    }
    let values = merged.into_iter().filter_map(|(at, all)| Some((at, statistic.of(&all)?)));
    Ok(values.collect())
}

/// The coarsest intervals that those of the window are made of.
fn resolution(window: Window) -> u32 {
    let fits = |seconds: &u32| {
        window.period % i64::from(*seconds) == 0 && window.start % i64::from(*seconds) == 0
    };
    RESOLUTIONS.iter().map(|(seconds, _)| *seconds).filter(fits).max().unwrap_or(1)
}

/// Whether CloudWatch has intervals of this length.
pub(crate) fn is_period(period: i64) -> bool {
    matches!(period, 1 | 5 | 10 | 20 | 30) || (period > 0 && period % 60 == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_have_names() {
        assert_eq!(Statistic::parse("Sum"), Some(Statistic::Sum));
        assert_eq!(Statistic::parse("p99.9"), Some(Statistic::Percentile(99.9)));
        for wrong in ["p", "p101", "p-1", "pinf", "sum", "p1e1", ""] {
            assert_eq!(Statistic::parse(wrong), None, "{wrong}");
        }
        assert_eq!(Statistic::of_query("tm90").unwrap_err().code(), "NotImplemented");
    }

    #[test]
    fn the_coarsest_resolution_that_fits_is_read() {
        let of = |start, period| resolution(Window { start, end: start + 10 * period, period });
        assert_eq!(of(7_200, 3_600), 3_600);
        assert_eq!(of(7_200 + 60, 3_600), 60);
        assert_eq!(of(600, 300), 300);
        assert_eq!(of(30, 10), 1);
    }
}
