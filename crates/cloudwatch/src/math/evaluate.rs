//! What an expression comes to.

use super::{Expression, Operator, Scope, Wrong, invalid};
use crate::series::Series;

#[derive(Debug, Clone)]
enum Value {
    Scalar(f64),
    Series(Series),
    Many(Vec<Series>),
    Text(String),
}

pub(super) fn series(expression: &Expression, scope: &Scope<'_>) -> Result<Series, Wrong> {
    match value(expression, scope)? {
        Value::Series(series) => Ok(series),
        Value::Many(mut all) if all.len() == 1 => Ok(all.pop().unwrap_or_default()),
        _ => Err(invalid("The expression does not come to a single time series")),
    }
}

fn value(expression: &Expression, scope: &Scope<'_>) -> Result<Value, Wrong> {
    Ok(match expression {
        Expression::Number(number) => Value::Scalar(*number),
        Expression::Text(text) => Value::Text(text.clone()),
        Expression::Query(id) => {
            let metric = scope.metrics.iter().find(|(other, _)| other == id);
            let found = metric.map(|(_, series)| series).or_else(|| scope.expressions.get(id));
            let found = found.ok_or_else(|| invalid(format!("{id} is no query of the request")))?;
            Value::Series(found.clone())
        }
        Expression::List(all) => {
            let all = all.iter().map(|one| series(one, scope));
            Value::Many(all.collect::<Result<_, _>>()?)
        }
        Expression::Call(name, arguments) => call(name, arguments, scope)?,
        Expression::Operation(operator, left, right) => {
            apply(*operator, value(left, scope)?, value(right, scope)?)?
        }
    })
}

fn flag(holds: bool) -> f64 {
    if holds { 1.0 } else { 0.0 }
}

fn calculate(operator: Operator, a: f64, b: f64) -> f64 {
    match operator {
        Operator::Add => a + b,
        Operator::Subtract => a - b,
        Operator::Multiply => a * b,
        Operator::Divide => a / b,
        Operator::Power => a.powf(b),
        Operator::Equal => flag(a == b),
        Operator::Unequal => flag(a != b),
        Operator::Less => flag(a < b),
        Operator::Greater => flag(a > b),
        Operator::AtMost => flag(a <= b),
        Operator::AtLeast => flag(a >= b),
        Operator::And => flag(a != 0.0 && b != 0.0),
        Operator::Or => flag(a != 0.0 || b != 0.0),
    }
}

fn apply(operator: Operator, left: Value, right: Value) -> Result<Value, Wrong> {
    let both = |a: f64, b: f64| calculate(operator, a, b);
    Ok(match (left, right) {
        (Value::Scalar(a), Value::Scalar(b)) => Value::Scalar(both(a, b)),
        (Value::Series(a), Value::Scalar(b)) => Value::Series(map(&a, |a| both(a, b))),
        (Value::Scalar(a), Value::Series(b)) => Value::Series(map(&b, |b| both(a, b))),
        (Value::Series(a), Value::Series(b)) => Value::Series(join(&a, &b, both)),
        (Value::Many(all), other) => {
            Value::Many(each(all, |one| apply(operator, Value::Series(one), other.clone()))?)
        }
        (other, Value::Many(all)) => {
            Value::Many(each(all, |one| apply(operator, other.clone(), Value::Series(one)))?)
        }
        _ => return Err(invalid("A text cannot be calculated with")),
    })
}

/// A value that is not finite is no data.
fn map(series: &Series, of: impl Fn(f64) -> f64) -> Series {
    let all = series.iter().map(|(at, value)| (*at, of(*value)));
    all.filter(|(_, value)| value.is_finite()).collect()
}

/// Where both have a value.
fn join(a: &Series, b: &Series, of: impl Fn(f64, f64) -> f64) -> Series {
    let all = a.iter().filter_map(|(at, a)| Some((*at, of(*a, *b.get(at)?))));
    all.filter(|(_, value)| value.is_finite()).collect()
}

fn each(
    all: Vec<Series>,
    of: impl Fn(Series) -> Result<Value, Wrong>,
) -> Result<Vec<Series>, Wrong> {
    let all = all.into_iter().map(|one| match of(one)? {
        Value::Series(series) => Ok(series),
        _ => Err(invalid("A list holds something that is no time series")),
    });
    all.collect()
}

fn call(name: &str, arguments: &[Expression], scope: &Scope<'_>) -> Result<Value, Wrong> {
    let wrong = || invalid(format!("The arguments of {name} are invalid"));
    let first = || arguments.first().map_or_else(|| Err(wrong()), |first| value(first, scope));
    let counted = |range: std::ops::RangeInclusive<usize>| {
        if range.contains(&arguments.len()) { Ok(()) } else { Err(wrong()) }
    };
    if name == "METRICS" {
        let part = match arguments {
            [] => "",
            [Expression::Text(part)] => part,
            _ => return Err(wrong()),
        };
        let fits = scope.metrics.iter().filter(|(id, _)| id.contains(part));
        return Ok(Value::Many(fits.map(|(_, series)| series.clone()).collect()));
    }
    match name {
        "IF" => {
            counted(2..=3)?;
            let [condition, rest @ ..] = arguments else {
                return Err(wrong());
            };
            let choices =
                rest.iter().map(|one| value(one, scope)).collect::<Result<Vec<_>, _>>()?;
            return choose(value(condition, scope)?, &choices).ok_or_else(wrong);
        }
        "FILL" => {
            counted(2..=2)?;
            let with = arguments.get(1).map_or_else(|| Err(wrong()), |with| value(with, scope))?;
            return match first()? {
                Value::Series(one) => {
                    Ok(Value::Series(fill(&one, &with, scope).ok_or_else(wrong)?))
                }
                Value::Many(all) => {
                    let all = all.iter().map(|one| fill(one, &with, scope).ok_or_else(wrong));
                    Ok(Value::Many(all.collect::<Result<_, _>>()?))
                }
                _ => Err(wrong()),
            };
        }
        _ => counted(1..=1)?,
    }
    let of = first()?;
    if let "AVG" | "MAX" | "METRIC_COUNT" | "MIN" | "STDDEV" | "SUM" = name {
        return reduce(name, of).ok_or_else(wrong);
    }
    match of {
        Value::Scalar(number) if name == "TIME_SERIES" => {
            Ok(Value::Series(moments(scope).map(|at| (at, number)).collect()))
        }
        Value::Scalar(number) => simple(name).map(|of| Value::Scalar(of(number))).ok_or_else(wrong),
        Value::Series(one) => single(name, &one, scope).ok_or_else(wrong),
        Value::Many(all) if matches!(name, "FIRST" | "LAST") => {
            let one = if name == "FIRST" { all.first() } else { all.last() };
            Ok(Value::Series(one.cloned().unwrap_or_default()))
        }
        Value::Many(all) => {
            Ok(Value::Many(each(all, |one| single(name, &one, scope).ok_or_else(wrong))?))
        }
        Value::Text(_) => Err(wrong()),
    }
}

/// The starts of all intervals of the request.
fn moments(scope: &Scope<'_>) -> impl Iterator<Item = i64> + use<> {
    let (end, period) = (scope.end, scope.period.max(1));
    std::iter::successors(Some(scope.start), move |at| Some(at + period))
        .take_while(move |at| *at < end)
        .take(crate::limits::DATA_POINTS_MAX)
}

fn simple(name: &str) -> Option<fn(f64) -> f64> {
    Some(match name {
        "ABS" => f64::abs,
        "CEIL" => f64::ceil,
        "FLOOR" => f64::floor,
        "LOG" => f64::ln,
        "LOG10" => f64::log10,
        _ => return None,
    })
}

fn single(name: &str, one: &Series, scope: &Scope<'_>) -> Option<Value> {
    if let Some(of) = simple(name) {
        return Some(Value::Series(map(one, of)));
    }
    let steps = |of: &dyn Fn(f64, f64) -> f64| {
        let pairs = one.iter().zip(one.iter().skip(1));
        let pairs = pairs.map(|((then, a), (now, b))| (*now, of(b - a, (now - then) as f64)));
        Value::Series(pairs.collect())
    };
    Some(match name {
        "DIFF" => steps(&|change, _| change),
        "RATE" => steps(&|change, seconds| change / seconds),
        "PERIOD" => Value::Scalar(scope.period as f64),
        "RUNNING_SUM" => {
            let mut sum = 0.0;
            let running = one.iter().map(|(at, value)| {
                sum += value;
                (*at, sum)
            });
            Value::Series(running.collect())
        }
        "TIME_SERIES" => Value::Series(one.clone()),
        _ => return None,
    })
}

/// One number of a series, or one series of many.
fn reduce(name: &str, of: Value) -> Option<Value> {
    match of {
        Value::Scalar(number) => Some(Value::Scalar(number)),
        Value::Series(_) if name == "METRIC_COUNT" => Some(Value::Scalar(1.0)),
        Value::Series(one) => {
            let values: Vec<f64> = one.values().copied().collect();
            Some(Value::Scalar(reduced(name, &values).unwrap_or(0.0)))
        }
        Value::Many(all) if name == "METRIC_COUNT" => Some(Value::Scalar(all.len() as f64)),
        Value::Many(all) => {
            let mut moments: std::collections::BTreeMap<i64, Vec<f64>> = Default::default();
            for (at, value) in all.iter().flatten() {
                moments.entry(*at).or_default().push(*value);
            }
            let reduced =
                moments.into_iter().filter_map(|(at, all)| Some((at, reduced(name, &all)?)));
            Some(Value::Series(reduced.collect()))
        }
        Value::Text(_) => None,
    }
}

fn reduced(name: &str, values: &[f64]) -> Option<f64> {
    let count = values.len() as f64;
    let sum = || values.iter().sum::<f64>();
    if values.is_empty() {
        return None;
    }
    Some(match name {
        "AVG" => sum() / count,
        "MAX" => values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        "MIN" => values.iter().copied().fold(f64::INFINITY, f64::min),
        "STDDEV" => {
            let mean = sum() / count;
            (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count).sqrt()
        }
        "SUM" => sum(),
        _ => return None,
    })
}

fn choose(condition: Value, choices: &[Value]) -> Option<Value> {
    let at = |choice: Option<&Value>, at: i64| match choice {
        Some(Value::Scalar(number)) => Some(*number),
        Some(Value::Series(series)) => series.get(&at).copied(),
        _ => None,
    };
    let is_text = |choice: &Value| matches!(choice, Value::Text(_) | Value::Many(_));
    if choices.iter().any(is_text) {
        return None;
    }
    match condition {
        Value::Scalar(number) => {
            let choice = choices.get(usize::from(number == 0.0)).cloned();
            Some(choice.unwrap_or_else(|| Value::Series(Series::new())))
        }
        Value::Series(series) => {
            let chosen = series.iter().filter_map(|(moment, holds)| {
                Some((*moment, at(choices.get(usize::from(*holds == 0.0)), *moment)?))
            });
            Some(Value::Series(chosen.collect()))
        }
        _ => None,
    }
}

fn fill(one: &Series, with: &Value, scope: &Scope<'_>) -> Option<Series> {
    let filled = |at: i64| -> Option<f64> {
        match with {
            Value::Scalar(number) => Some(*number),
            Value::Series(other) => other.get(&at).copied(),
            Value::Text(how) => {
                let (then, before) = one.range(..at).next_back()?;
                if how == "REPEAT" {
                    return Some(*before);
                }
                let (later, after) = one.range(at..).next()?;
                let share = (at - then) as f64 / (later - then) as f64;
                Some(before + (after - before) * share)
            }
            Value::Many(_) => None,
        }
    };
    match with {
        Value::Many(_) => return None,
        Value::Text(how) if how != "REPEAT" && how != "LINEAR" => return None,
        _ => {}
    }
    let all =
        moments(scope).filter_map(|at| Some((at, one.get(&at).copied().or_else(|| filled(at))?)));
    Some(all.collect())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn evaluate(text: &str) -> Result<Vec<(i64, f64)>, Wrong> {
        let metrics = [
            ("m1".to_owned(), Series::from([(0, 1.0), (60, 2.0), (180, 4.0)])),
            ("m2".to_owned(), Series::from([(0, 10.0), (60, 0.0), (120, 30.0)])),
        ];
        let expressions = BTreeMap::new();
        let scope =
            Scope { metrics: &metrics, expressions: &expressions, start: 0, end: 240, period: 60 };
        Ok(Expression::parse(text)?.evaluate(&scope)?.into_iter().collect())
    }

    #[test]
    fn expressions_come_to_series() {
        for (text, wanted) in [
            ("m1 + m2", vec![(0, 11.0), (60, 2.0)]),
            // Nothing where one divides by zero.
            ("100 * m1 / m2", vec![(0, 10.0)]),
            ("SUM(METRICS())", vec![(0, 11.0), (60, 2.0), (120, 30.0), (180, 4.0)]),
            ("m1 / SUM(m1) * 7", vec![(0, 1.0), (60, 2.0), (180, 4.0)]),
            ("MAX([m1, m2])", vec![(0, 10.0), (60, 2.0), (120, 30.0), (180, 4.0)]),
            ("MIN([m1, m2])", vec![(0, 1.0), (60, 0.0), (120, 30.0), (180, 4.0)]),
            ("AVG([m1, m2])", vec![(0, 5.5), (60, 1.0), (120, 30.0), (180, 4.0)]),
            ("FILL(m1, 0)", vec![(0, 1.0), (60, 2.0), (120, 0.0), (180, 4.0)]),
            ("FILL(m1, REPEAT)", vec![(0, 1.0), (60, 2.0), (120, 2.0), (180, 4.0)]),
            ("FILL(m1, LINEAR)", vec![(0, 1.0), (60, 2.0), (120, 3.0), (180, 4.0)]),
            ("IF(m1 > 1, m1, 0)", vec![(0, 0.0), (60, 2.0), (180, 4.0)]),
            ("IF(m1 > 1, m2)", vec![(60, 0.0)]),
            ("RATE(m1) * PERIOD(m1)", vec![(60, 1.0), (180, 1.0)]),
            ("ABS(-m1)", vec![(0, 1.0), (60, 2.0), (180, 4.0)]),
            ("SUM(METRICS('2'))", vec![(0, 10.0), (60, 0.0), (120, 30.0)]),
            ("TIME_SERIES(5)", vec![(0, 5.0), (60, 5.0), (120, 5.0), (180, 5.0)]),
        ] {
            assert_eq!(evaluate(text).unwrap(), wanted, "{text}");
        }
    }

    #[test]
    fn what_comes_to_no_single_series_is_refused() {
        for text in
            ["1 + 1", "SUM(m1)", "METRICS()", "m9", "FILL(m1)", "IF(m1)", "SUM()", "'x' + m1"]
        {
            assert!(evaluate(text).is_err(), "{text}");
        }
    }
}
