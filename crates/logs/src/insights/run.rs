//! What the commands of a query do with events.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;
use undercast_smithy::Timestamp;

use super::{Aggregation, Command, Expression, Named, RESULTS_MAX, Value};

/// Groups of one `stats`.
const GROUPS_MAX: usize = 10_000;
/// Fields of one JSON message.
const FIELDS_MAX: usize = 200;
const DEPTH_MAX: usize = 8;

/// An event, or what became of it: its fields by name.
#[derive(Debug, Clone, Default)]
pub(crate) struct Record {
    fields: BTreeMap<String, Value>,
    /// What is shown, in this order.
    shown: Vec<String>,
}

impl Record {
    /// An event with the fields that every event has, and those that its message has.
    pub(crate) fn of_event(system: Vec<(&str, Value)>, message: &str) -> Self {
        let mut fields = BTreeMap::new();
        match message.trim_start().starts_with('{') {
            true => {
                if let Ok(value) = serde_json::from_str::<Json>(message) {
                    flatten("", &value, 0, &mut fields);
                }
            }
            false => of_platform(message, &mut fields),
        }
        fields.extend(system.into_iter().map(|(name, value)| (name.to_owned(), value)));
        fields.insert("@message".to_owned(), Value::Text(message.to_owned()));
        Self { fields, shown: Vec::new() }
    }

    fn get(&self, name: &str) -> Option<&Value> {
        self.fields.get(name)
    }

    /// The fields of the answer.
    pub(crate) fn answer(&self) -> Vec<(String, String)> {
        let all = self.shown.iter().filter_map(|name| Some((name.clone(), self.get(name)?.text())));
        all.collect()
    }
}

fn flatten(prefix: &str, value: &Json, depth: usize, out: &mut BTreeMap<String, Value>) {
    let under = |name: &str| match prefix {
        "" => name.to_owned(),
        _ => format!("{prefix}.{name}"),
    };
    match value {
        _ if out.len() >= FIELDS_MAX || depth > DEPTH_MAX => {}
        Json::Object(members) => {
            members.iter().for_each(|(name, value)| flatten(&under(name), value, depth + 1, out));
        }
        Json::Array(all) => {
            let named = (0..).zip(all);
            named.for_each(|(n, value): (usize, _)| {
                flatten(&under(&n.to_string()), value, depth + 1, out)
            });
        }
        Json::Number(number) => {
            out.insert(prefix.to_owned(), Value::Number(number.as_f64().unwrap_or(f64::NAN)));
        }
        Json::String(text) => {
            out.insert(prefix.to_owned(), Value::Text(text.clone()));
        }
        Json::Bool(flag) => {
            out.insert(prefix.to_owned(), Value::Number(if *flag { 1.0 } else { 0.0 }));
        }
        Json::Null => {}
    }
}

/// What Lambda's own lines say.
fn of_platform(message: &str, out: &mut BTreeMap<String, Value>) {
    let kind = message.split_whitespace().next().unwrap_or_default();
    if !matches!(kind, "START" | "END" | "REPORT") {
        return;
    }
    out.insert("@type".to_owned(), Value::Text(kind.to_owned()));
    let after = |label: &str| {
        let (_, rest) = message.split_once(label)?;
        rest.split_whitespace().next().map(str::to_owned)
    };
    if let Some(id) = after("RequestId: ") {
        out.insert("@requestId".to_owned(), Value::Text(id));
    }
    for (label, name) in [
        ("\tDuration: ", "@duration"),
        ("Billed Duration: ", "@billedDuration"),
        ("Init Duration: ", "@initDuration"),
        ("Memory Size: ", "@memorySize"),
        ("Max Memory Used: ", "@maxMemoryUsed"),
    ] {
        if let Some(number) = after(label).and_then(|text| text.parse().ok()) {
            out.insert(name.to_owned(), Value::Number(number));
        }
    }
}

impl Value {
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Text(text) => text.clone(),
            Self::Time(ms) => Timestamp::from_millis(*ms).format("%Y-%m-%d %H:%M:%S.%3f"),
        }
    }

    fn number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Text(text) => text.trim().parse().ok(),
            Self::Time(ms) => Some(*ms as f64),
        }
    }

    /// As numbers if both are, else as texts.
    fn compare(&self, other: &Self) -> Ordering {
        match (self.number(), other.number()) {
            (Some(a), Some(b)) => a.total_cmp(&b),
            _ => self.text().cmp(&other.text()),
        }
    }

    fn is_true(&self) -> bool {
        match self {
            Self::Number(number) => *number != 0.0,
            Self::Text(text) => !text.is_empty(),
            Self::Time(_) => true,
        }
    }
}

impl Expression {
    fn of(&self, record: &Record) -> Option<Value> {
        match self {
            Self::Number(number) => Some(Value::Number(*number)),
            Self::Text(text) => Some(Value::Text(text.clone())),
            Self::Field(name) => record.get(name).cloned(),
            Self::Bin(ms) => match record.get("@timestamp") {
                Some(Value::Time(at)) => Some(Value::Time(at - at.rem_euclid(*ms))),
                _ => None,
            },
            Self::Matches(of, regex) => {
                let holds = of.of(record).is_some_and(|value| regex.is_match(&value.text()));
                Some(flag(holds))
            }
            Self::Call(name, arguments) => {
                let values = arguments.iter().map(|one| one.of(record)).collect::<Vec<_>>();
                calculate(name, &values)
            }
        }
    }
}

fn flag(holds: bool) -> Value {
    Value::Number(if holds { 1.0 } else { 0.0 })
}

fn calculate(name: &str, values: &[Option<Value>]) -> Option<Value> {
    let at = |place: usize| values.get(place).and_then(Option::as_ref);
    let number = |place: usize| at(place).and_then(Value::number);
    let text = |place: usize| at(place).map(Value::text);
    let is_true = |place: usize| at(place).is_some_and(Value::is_true);
    let compared = || Some(at(0)?.compare(at(1)?));
    let finite = |number: f64| number.is_finite().then_some(Value::Number(number));
    match name {
        "and" => Some(flag(is_true(0) && is_true(1))),
        "or" => Some(flag(is_true(0) || is_true(1))),
        "not" => Some(flag(!is_true(0))),
        // What is not there is different from everything.
        "=" => Some(flag(compared() == Some(Ordering::Equal))),
        "!=" => Some(flag(compared() != Some(Ordering::Equal))),
        "<" => Some(flag(compared() == Some(Ordering::Less))),
        ">" => Some(flag(compared() == Some(Ordering::Greater))),
        "<=" => Some(flag(compared().is_some_and(Ordering::is_le))),
        ">=" => Some(flag(compared().is_some_and(Ordering::is_ge))),
        "in" => {
            let first = at(0);
            let all = values.iter().skip(1).flatten();
            let same = |other: &Value| first.is_some_and(|first| first.compare(other).is_eq());
            Some(flag(all.into_iter().any(same)))
        }
        "+" => finite(number(0)? + number(1)?),
        "-" => finite(number(0)? - number(1)?),
        "*" => finite(number(0)? * number(1)?),
        "/" => finite(number(0)? / number(1)?),
        "%" => finite(number(0)? % number(1)?),
        "abs" => finite(number(0)?.abs()),
        "ceil" => finite(number(0)?.ceil()),
        "floor" => finite(number(0)?.floor()),
        "log" => finite(number(0)?.ln()),
        "sqrt" => finite(number(0)?.sqrt()),
        "greatest" => values.iter().flatten().max_by(|a, b| a.compare(b)).cloned(),
        "least" => values.iter().flatten().min_by(|a, b| a.compare(b)).cloned(),
        "coalesce" => values.iter().flatten().next().cloned(),
        "concat" => Some(Value::Text(values.iter().flatten().map(Value::text).collect())),
        "ispresent" => Some(flag(at(0).is_some())),
        "isempty" => Some(flag(text(0).is_none_or(|text| text.is_empty()))),
        "isblank" => Some(flag(text(0).is_none_or(|text| text.trim().is_empty()))),
        "strcontains" => {
            Some(flag(text(0).is_some_and(|t| text(1).is_some_and(|p| t.contains(&p)))))
        }
        "strlen" => finite(f64::from(u32::try_from(text(0)?.chars().count()).ok()?)),
        "tolower" => Some(Value::Text(text(0)?.to_lowercase())),
        "toupper" => Some(Value::Text(text(0)?.to_uppercase())),
        "trim" => Some(Value::Text(text(0)?.trim().to_owned())),
        "replace" => {
            let (of, from, to) = (text(0)?, text(1)?, text(2)?);
            // A text does not grow without bound.
            let fits = !from.is_empty() && to.len() <= from.len() + 100;
            Some(Value::Text(if fits { of.replace(&from, &to) } else { of }))
        }
        "substr" => {
            let start = number(1)? as usize;
            let length = number(2).map_or(usize::MAX, |length| length as usize);
            Some(Value::Text(text(0)?.chars().skip(start).take(length).collect()))
        }
        _ => None,
    }
}

/// What the commands make of events, which come the newest first; and whether a bound was met.
pub(crate) fn run(
    commands: &[Command],
    mut records: Vec<Record>,
    limit: usize,
) -> (Vec<Record>, bool) {
    let mut is_cut = false;
    let mut is_limited = false;
    let mut shown: Vec<String> = Vec::new();
    let mut has_events = true;
    for command in commands {
        match command {
            Command::Fields(all) => {
                set(&mut records, all);
                shown.extend(all.iter().map(|named| named.name.clone()));
            }
            Command::Display(all) => {
                set(&mut records, all);
                shown = all.iter().map(|named| named.name.clone()).collect();
            }
            Command::Filter(of) => {
                records.retain(|r| of.of(r).is_some_and(|value| value.is_true()))
            }
            Command::Limit(count) => {
                records.truncate(*count);
                is_limited = true;
            }
            Command::Dedup(by) => {
                let mut seen = BTreeSet::new();
                records.retain(|record| {
                    let key: Vec<_> = by.iter().map(|of| of.of(record).map(|v| v.text())).collect();
                    seen.insert(key)
                });
            }
            Command::Sort(by) => sort(&mut records, by),
            Command::Stats(all, by) => {
                records = match stats(all, by, &records) {
                    Some(records) => records,
                    None => {
                        is_cut = true;
                        Vec::new()
                    }
                };
                shown = by.iter().map(|named| named.name.clone()).collect();
                shown.extend(all.iter().map(|(_, name)| name.clone()));
                has_events = false;
            }
            Command::Parse(of, regex, names) => {
                for record in &mut records {
                    let Some(text) = of.of(record).map(|value| value.text()) else {
                        continue;
                    };
                    if let Some(found) = regex.captures(&text) {
                        for (place, name) in names.iter().enumerate() {
                            let part = found.name(name).or_else(|| found.get(place + 1));
                            let part = part.map(|part| Value::Text(part.as_str().to_owned()));
                            record.fields.extend(part.map(|part| (name.clone(), part)));
                        }
                    }
                }
                shown.extend(names.iter().cloned());
            }
        }
    }
    let most = if is_limited { RESULTS_MAX } else { limit };
    records.truncate(most);
    if shown.is_empty() {
        shown = vec!["@timestamp".to_owned(), "@message".to_owned()];
    }
    if has_events {
        shown.push("@ptr".to_owned());
    }
    let mut seen = BTreeSet::new();
    shown.retain(|name| seen.insert(name.clone()));
    records.iter_mut().for_each(|record| record.shown.clone_from(&shown));
    (records, is_cut)
}

fn set(records: &mut [Record], all: &[Named]) {
    for named in all {
        if matches!(&named.of, Expression::Field(name) if *name == named.name) {
            continue;
        }
        for record in records.iter_mut() {
            let value = named.of.of(record);
            record.fields.extend(value.map(|value| (named.name.clone(), value)));
        }
    }
}

fn sort(records: &mut [Record], by: &[(Expression, bool)]) {
    records.sort_by(|a, b| {
        let mut orders = by.iter().map(|(of, is_falling)| {
            let order = match (of.of(a), of.of(b)) {
                (Some(a), Some(b)) => a.compare(&b),
                (a, b) => a.is_some().cmp(&b.is_some()),
            };
            if *is_falling { order.reverse() } else { order }
        });
        orders.find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
    });
}

/// `None` where there are too many groups.
fn stats(all: &[(Aggregation, String)], by: &[Named], records: &[Record]) -> Option<Vec<Record>> {
    type Group<'a> = (Vec<Option<Value>>, Vec<&'a Record>);
    let mut groups: Vec<Group<'_>> = Vec::new();
    let mut places: BTreeMap<Vec<Option<String>>, usize> = BTreeMap::new();
    for record in records {
        let values: Vec<_> = by.iter().map(|named| named.of.of(record)).collect();
        let key = values.iter().map(|value| value.as_ref().map(Value::text)).collect();
        let place = *places.entry(key).or_insert(groups.len());
        if place == GROUPS_MAX {
            return None;
        }
        match groups.get_mut(place) {
            Some((_, members)) => members.push(record),
            None => groups.push((values, vec![record])),
        }
    }
    if by.is_empty() && groups.is_empty() {
        groups.push((Vec::new(), Vec::new()));
    }
    let record = |(values, members): Group<'_>| {
        let mut record = Record::default();
        for (named, value) in by.iter().zip(values) {
            record.fields.extend(value.map(|value| (named.name.clone(), value)));
        }
        for (aggregation, name) in all {
            let value = aggregation.of(&members);
            record.fields.extend(value.map(|value| (name.clone(), value)));
        }
        record
    };
    Some(groups.into_iter().map(record).collect())
}

impl Aggregation {
    fn of(&self, records: &[&Record]) -> Option<Value> {
        let values: Vec<Value> = match &self.of {
            None => return Some(count(records.len())),
            Some(of) => records.iter().filter_map(|record| of.of(record)).collect(),
        };
        let numbers = || values.iter().filter_map(Value::number).collect::<Vec<f64>>();
        let of_numbers = |of: &dyn Fn(&[f64]) -> f64| {
            let numbers = numbers();
            (!numbers.is_empty()).then(|| Value::Number(of(&numbers)))
        };
        let mean = |all: &[f64]| all.iter().sum::<f64>() / all.len() as f64;
        match self.function.as_str() {
            "count" => Some(count(values.len())),
            "count_distinct" => {
                Some(count(values.iter().map(Value::text).collect::<BTreeSet<_>>().len()))
            }
            "sum" => of_numbers(&|all| all.iter().sum()),
            "avg" => of_numbers(&mean),
            "stddev" => of_numbers(&|all| {
                let mean = mean(all);
                (all.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / all.len() as f64).sqrt()
            }),
            "pct" => of_numbers(&|all| {
                let mut all = all.to_vec();
                all.sort_by(f64::total_cmp);
                let place = (self.percent / 100.0 * all.len() as f64).ceil() as usize;
                all.get(place.saturating_sub(1)).copied().unwrap_or_default()
            }),
            "min" => values.into_iter().min_by(Value::compare),
            "max" => values.into_iter().max_by(Value::compare),
            // Events come the newest first.
            "latest" => values.into_iter().next(),
            "earliest" => values.into_iter().next_back(),
            _ => None,
        }
    }
}

fn count(count: usize) -> Value {
    Value::Number(f64::from(u32::try_from(count).unwrap_or(u32::MAX)))
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    fn answers(query: &str) -> Vec<String> {
        let messages = [
            r#"{"level": "INFO", "took": 5, "user": {"id": "a"}}"#,
            r#"{"level": "ERROR", "took": 20, "user": {"id": "b"}}"#,
            r#"{"level": "ERROR", "took": 10, "user": {"id": "a"}}"#,
            "GET /orders 404",
            "REPORT RequestId: r1\tDuration: 12.5 ms\tBilled Duration: 13 ms\tMax Memory Used: 40 MB",
        ];
        let records = (0..).zip(messages).map(|(n, message)| {
            let at = Value::Time(1_795_507_200_000 - n * 60_000);
            Record::of_event(
                vec![("@timestamp", at), ("@ptr", Value::Text("p".to_owned()))],
                message,
            )
        });
        let (found, _) = run(&parse(query).unwrap(), records.collect(), 1_000);
        let text = |record: &Record| {
            let fields = record.answer().into_iter().filter(|(name, _)| name != "@ptr");
            fields.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
        };
        found.iter().map(text).collect()
    }

    #[test]
    fn commands_do_what_they_say() {
        for (query, wanted) in [
            ("filter level = 'ERROR' | fields took | sort took", vec!["took=10", "took=20"]),
            (
                "fields took * 2 as twice | filter ispresent(twice) and took < 15 | display twice",
                vec!["twice=10", "twice=20"],
            ),
            (
                "stats count(*) as n, avg(took), max(took) by level | sort n desc, level desc",
                vec![
                    "level=ERROR n=2 avg(took)=15 max(took)=20",
                    "n=2",
                    "level=INFO n=1 avg(took)=5 max(took)=5",
                ],
            ),
            (
                "stats pct(took, 50) as p, sum(took) as s, min(took) as m, count_distinct(user.id) as d",
                vec!["p=10 s=35 m=5 d=2"],
            ),
            (
                "stats count() as n by bin(3m) | sort n",
                vec![
                    "bin(3m)=2026-11-24 08:00:00.000 n=1",
                    "bin(3m)=2026-11-24 07:54:00.000 n=1",
                    "bin(3m)=2026-11-24 07:57:00.000 n=3",
                ],
            ),
            (
                "parse @message '* /* *' as verb, path, status | filter status >= 400 | display verb, path, status",
                vec!["verb=GET path=orders status=404"],
            ),
            (
                "parse @message /(?<verb>GET|PUT) (?<path>\\/\\w+)/ | filter verb like /^G/ | display path",
                vec!["path=/orders"],
            ),
            (
                "filter @type = 'REPORT' | display @requestId, @duration, @maxMemoryUsed",
                vec!["@requestId=r1 @duration=12.5 @maxMemoryUsed=40"],
            ),
            (
                "filter level in ['INFO', 'WARN'] or took >= 20 | fields user.id",
                vec!["user.id=a", "user.id=b"],
            ),
            (
                "filter ispresent(level) | dedup level | display level, took",
                vec!["level=INFO took=5", "level=ERROR took=20"],
            ),
            (
                "filter @message not like 'level' | limit 1 | display @message",
                vec!["@message=GET /orders 404"],
            ),
            ("# all of it\nstats count(*)", vec!["count(*)=5"]),
            ("filter level = 'NONE' | stats count(*) as n", vec!["n=0"]),
        ] {
            assert_eq!(answers(query), wanted, "{query}");
        }
    }

    #[test]
    fn what_is_no_query_is_refused() {
        for query in [
            "",
            "|",
            "fields",
            "nope x",
            "filter",
            "filter a =",
            "limit 0",
            "limit x",
            "stats",
            "stats median(x)",
            "parse @message '*'",
            "parse @message '*' as a, b",
            "parse @message /(/",
            "fields nope(x)",
            "sort",
            "fields a as",
            "filter a like b",
            "stats count(*) by bin(5x)",
            "fields \"a",
            "fields a fields b",
        ] {
            assert!(parse(query).is_err(), "{query}");
        }
        assert!(parse(&format!("filter {}", "(".repeat(5_000))).is_err());
        assert!(parse(&vec!["limit 1"; 60].join("|")).is_err());
    }
}
