//! From datapoints to a state.

use serde_json::json;
use undercast_smithy::Timestamp;

use super::{ALARM, INSUFFICIENT, OK, State};

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Comparison {
    AtLeast,
    Above,
    Below,
    AtMost,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Treatment {
    Missing,
    Ignore,
    Breaching,
    NotBreaching,
}

/// How an alarm judges.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rule {
    pub(crate) comparison: Comparison,
    pub(crate) threshold: f64,
    /// Datapoints that have to breach, out of so many.
    pub(crate) needed: usize,
    pub(crate) periods: usize,
    pub(crate) missing: Treatment,
}

/// More periods than the alarm evaluates are looked at, in case that the last ones have no data.
pub(crate) const FURTHER_PERIODS: usize = 2;

impl Comparison {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "GreaterThanOrEqualToThreshold" => Self::AtLeast,
            "GreaterThanThreshold" => Self::Above,
            "LessThanThreshold" => Self::Below,
            "LessThanOrEqualToThreshold" => Self::AtMost,
            _ => return None,
        })
    }

    fn holds(self, value: f64, threshold: f64) -> bool {
        match self {
            Self::AtLeast => value >= threshold,
            Self::Above => value > threshold,
            Self::Below => value < threshold,
            Self::AtMost => value <= threshold,
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::AtLeast => "greater than or equal to",
            Self::Above => "greater than",
            Self::Below => "less than",
            Self::AtMost => "less than or equal to",
        }
    }
}

impl Treatment {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "missing" => Self::Missing,
            "ignore" => Self::Ignore,
            "breaching" => Self::Breaching,
            "notBreaching" => Self::NotBreaching,
            _ => return None,
        })
    }
}

/// What follows from the last periods, the newest last; `None` keeps the state. Each is the second at which it starts
/// and its value, if there is one.
pub(crate) fn judge(rule: &Rule, points: &[(i64, Option<f64>)], now_ms: i64) -> Option<State> {
    // As many real datapoints as the alarm evaluates, the newest ones.
    let real: Vec<(usize, i64, f64)> = points
        .iter()
        .rev()
        .enumerate()
        .filter_map(|(age, (at, value))| Some((age + 1, *at, (*value)?)))
        .take(rule.periods)
        .collect();
    let breaches = |value: f64| rule.comparison.holds(value, rule.threshold);
    let breaching = real.iter().filter(|(.., value)| breaches(*value)).count();
    let lacking = rule.periods - real.len();
    let value = match rule.missing {
        _ if breaching >= rule.needed => ALARM,
        Treatment::Breaching if breaching + lacking >= rule.needed => ALARM,
        Treatment::Breaching | Treatment::NotBreaching => OK,
        Treatment::Missing if real.is_empty() => INSUFFICIENT,
        Treatment::Ignore if real.is_empty() => return None,
        // All that there is breaches, and has for long enough if what is missing does.
        how if breaching == real.len()
            && real.last().is_some_and(|(age, ..)| *age >= rule.needed) =>
        {
            match how {
                Treatment::Ignore => return None,
                _ => ALARM,
            }
        }
        _ => OK,
    };
    Some(State {
        value: value.to_owned(),
        reason: reason(rule, value, &real, lacking),
        data: Some(data(rule, &real, now_ms)),
    })
}

fn plural(count: usize, one: &str) -> String {
    if count == 1 { format!("{count} {one}") } else { format!("{count} {one}s") }
}

fn reason(rule: &Rule, value: &str, real: &[(usize, i64, f64)], lacking: usize) -> String {
    if real.is_empty() {
        let unknown = plural(rule.periods, "datapoint");
        let were = if rule.periods == 1 { "was" } else { "were" };
        let treated = match rule.missing {
            Treatment::Breaching => "[Breaching]",
            Treatment::NotBreaching => "[NonBreaching]",
            _ => return format!("Insufficient Data: {unknown} {were} unknown."),
        };
        return format!(
            "Threshold Crossed: no datapoints were received for {} and {} {were} treated as {treated}.",
            plural(rule.periods, "period"),
            plural(lacking, "missing datapoint"),
        );
    }
    let breaches = |v: f64| rule.comparison.holds(v, rule.threshold);
    let told: Vec<_> = real.iter().filter(|(.., v)| breaches(*v) == (value == ALARM)).collect();
    let told = if told.is_empty() { real.iter().collect() } else { told };
    let shown: Vec<String> = told
        .iter()
        .take(10)
        .map(|(_, at, v)| {
            format!("{v:?} ({})", Timestamp::from_seconds(*at).format("%d/%m/%y %H:%M:%S"))
        })
        .collect();
    let shown = shown.join(", ");
    let (words, threshold) = (rule.comparison.words(), rule.threshold);
    let were = if told.len() == 1 { "was" } else { "were" };
    match value {
        ALARM => format!(
            "Threshold Crossed: {} out of the last {} [{shown}] {were} {words} the threshold ({threshold:?}) (minimum {} for OK -> ALARM transition).",
            told.len(),
            plural(rule.periods, "datapoint"),
            plural(rule.needed, "datapoint"),
        ),
        _ => format!(
            "Threshold Crossed: {} [{shown}] {were} not {words} the threshold ({threshold:?}).",
            plural(told.len(), "datapoint"),
        ),
    }
}

fn data(rule: &Rule, real: &[(usize, i64, f64)], now_ms: i64) -> String {
    let recent: Vec<f64> = real.iter().rev().map(|(.., value)| *value).collect();
    json!({
        "version": "1.0",
        "queryDate": Timestamp::from_millis(now_ms).format("%Y-%m-%dT%H:%M:%S.%3f+0000"),
        "recentDatapoints": recent,
        "threshold": rule.threshold,
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The state for each way to treat what is missing; `-` keeps the state.
    fn states(points: &str, needed: usize) -> Vec<String> {
        let points: Vec<_> = points
            .split(' ')
            .map(|p| match p {
                "X" => (0, Some(2.0)),
                "0" => (0, Some(0.0)),
                _ => (0, None),
            })
            .collect();
        let all =
            [Treatment::Missing, Treatment::Ignore, Treatment::Breaching, Treatment::NotBreaching];
        let judged = all.map(|missing| {
            let rule =
                Rule { comparison: Comparison::Above, threshold: 1.0, needed, periods: 3, missing };
            judge(&rule, &points, 0).map_or_else(|| "-".to_owned(), |state| state.value)
        });
        judged.to_vec()
    }

    #[test]
    fn missing_data_is_treated_as_documented() {
        for (points, needed, wanted) in [
            ("0 - X - X", 3, [OK, OK, OK, OK]),
            ("- - - - 0", 3, [OK, OK, OK, OK]),
            ("- - - - -", 3, [INSUFFICIENT, "-", ALARM, OK]),
            ("0 X X - X", 3, [ALARM, ALARM, ALARM, ALARM]),
            ("- - X - -", 3, [ALARM, "-", ALARM, OK]),
            ("0 - X - X", 2, [ALARM, ALARM, ALARM, ALARM]),
            ("0 0 X 0 X", 2, [ALARM, ALARM, ALARM, ALARM]),
            ("0 - X - -", 2, [OK, OK, ALARM, OK]),
            ("- - - - 0", 2, [OK, OK, ALARM, OK]),
            ("- - - X -", 2, [ALARM, "-", ALARM, OK]),
        ] {
            assert_eq!(states(points, needed), wanted, "{points} {needed}");
        }
    }

    #[test]
    fn a_reason_tells_the_datapoints() {
        let rule = Rule {
            comparison: Comparison::AtLeast,
            threshold: 1.0,
            needed: 1,
            periods: 1,
            missing: Treatment::Missing,
        };
        let reason = |value| judge(&rule, &[(1_795_507_200, value)], 0).unwrap().reason;
        assert_eq!(
            reason(Some(5.0)),
            "Threshold Crossed: 1 out of the last 1 datapoint [5.0 (24/11/26 08:00:00)] was greater than or equal to the threshold (1.0) (minimum 1 datapoint for OK -> ALARM transition)."
        );
        assert_eq!(
            reason(Some(0.5)),
            "Threshold Crossed: 1 datapoint [0.5 (24/11/26 08:00:00)] was not greater than or equal to the threshold (1.0)."
        );
        assert_eq!(reason(None), "Insufficient Data: 1 datapoint was unknown.");
    }
}
