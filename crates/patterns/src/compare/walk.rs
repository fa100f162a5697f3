//! The walk over two documents side by side.

use std::borrow::Cow;
use std::cell::Cell;

use serde_json::{Map, Number, Value};

use super::findings::Findings;
use super::generated::{self, Pairs, Tokens};
use super::path::Path;
use super::rules::CompiledRules;
use super::time::{self, Calls, Relation};
use super::{Answer, Class, Difference, Kind, Observed, Part, classify, text};

/// Deeper values are equal or not.
const DEPTH_MAX: usize = 120;
/// Documents in texts in documents.
const NESTED_MAX: usize = 4;
/// Comparisons of keys that one side alone has, in search of generated ones.
const KEYS_MAX: usize = 1 << 14;
/// Values that are marked in search of elements that belong together; beyond, order decides.
const MARKS_MAX: usize = 2 << 20;
/// Texts that are taken apart in search of generated values.
const PARTS_BYTES_MAX: usize = 64 << 10;

pub(super) struct Walk<'r> {
    pub(super) rules: &'r CompiledRules,
    pub(super) findings: Findings<'r>,
    /// What is being walked.
    pub(super) part: Part,
    pairs: Pairs,
    /// Where generated values were met, and whether they must not be shown.
    places: Vec<(Kind, bool)>,
    calls: Calls,
    nested: usize,
    marked: Cell<usize>,
}

impl<'r> Walk<'r> {
    pub(super) fn new(primary: &Observed, candidate: &Observed, rules: &'r CompiledRules) -> Self {
        let longest_ms = primary.duration_ms.max(candidate.duration_ms).clamp(0.0, 3.6e6);
        #[expect(clippy::cast_possible_truncation, reason = "in range")]
        let slack_ms = 1_000 + longest_ms as i64;
        Walk {
            rules,
            findings: Findings::new(rules),
            part: Part::Body,
            pairs: Pairs::default(),
            places: Vec::new(),
            calls: Calls {
                primary_ms: primary.started_ms,
                candidate_ms: candidate.started_ms,
                slack_ms,
                tolerance_ms: rules.time_tolerance_ms,
            },
            nested: 0,
            marked: Cell::new(0),
        }
    }

    /// Counts a value that is marked.
    pub(super) fn mark_one(&self) {
        self.marked.set(self.marked.get() + 1);
    }

    /// Whether more may be marked.
    pub(super) fn may_mark(&self) -> bool {
        self.marked.get() < MARKS_MAX
    }

    pub(super) fn report(
        &mut self,
        class: Class,
        path: &Path<'_>,
        primary: Option<&Value>,
        candidate: Option<&Value>,
    ) {
        self.findings.add_at(self.part, class, path, primary, candidate);
    }

    pub(super) fn compare_durations(&mut self, primary_ms: f64, candidate_ms: f64) {
        let slower = &self.rules.slower;
        let is_slower = candidate_ms >= primary_ms * slower.factor
            && candidate_ms - primary_ms >= slower.at_least_ms;
        if is_slower {
            let kind = Kind { part: Part::Latency, class: Class::Slower, place: String::new() };
            self.findings.add(kind, || (Some(primary_ms.into()), Some(candidate_ms.into())));
        }
    }

    /// Ends the walk: looks whether generated values were mixed up.
    pub(super) fn finish(self, primary: &Observed, candidate: &Observed) -> Vec<Difference> {
        let Walk { rules, mut findings, pairs, places, .. } = self;
        if !pairs.is_empty() {
            let mut known = Tokens::default();
            tokens(primary, &mut known.primary);
            tokens(candidate, &mut known.candidate);
            let redactor = rules.redactor();
            for seen in pairs.mixed_up(&known) {
                let Some((kind, is_secret)) = places.get(seen.place) else { continue };
                let sample = |text: &str| {
                    let text = if *is_secret { "[redacted]".into() } else { redactor.text(text) };
                    Some(Value::from(text.chars().take(256).collect::<String>()))
                };
                findings.add(kind.clone(), || (sample(&seen.primary), sample(&seen.candidate)));
            }
        }
        findings.finish()
    }

    pub(super) fn value(&mut self, path: &Path<'_>, primary: &Value, candidate: &Value) {
        if self.rules.is_ignored(path) {
            return;
        }
        if path.depth() > DEPTH_MAX {
            if primary != candidate {
                self.report(Class::Text, path, Some(primary), Some(candidate));
            }
            return;
        }
        match (primary, candidate) {
            (Value::Object(a), Value::Object(b)) => self.object(path, a, b),
            (Value::Array(a), Value::Array(b)) => self.array(path, a, b),
            (Value::String(a), Value::String(b)) => self.text(path, a, b),
            (Value::Number(a), Value::Number(b)) => self.number(path, a, b),
            (Value::Null, Value::Null) => {}
            (Value::Bool(a), Value::Bool(b)) if a == b => {}
            (Value::Bool(_), Value::Bool(_)) => {
                self.report(Class::Boolean, path, Some(primary), Some(candidate));
            }
            (a, b) => {
                let class = other_type(a, b);
                self.report(class, path, Some(primary), Some(candidate));
            }
        }
    }

    fn object(&mut self, path: &Path<'_>, a: &Map<String, Value>, b: &Map<String, Value>) {
        if let (Some(left), Some(right)) = (attribute(a), attribute(b)) {
            return match (&*left, &*right) {
                (Value::Array(left), Value::Array(right)) if is_set(a) || is_set(b) => {
                    self.unordered(path, left, right, None);
                }
                (left, right) => self.value(path, left, right),
            };
        }
        let mut is_aligned = a.len() == b.len();
        let mut missing = Vec::new();
        let mut others = b.iter();
        for (key, left) in a {
            let right = match others.next() {
                Some((other, right)) if other == key => Some(right),
                _ => {
                    is_aligned = false;
                    b.get(key)
                }
            };
            match right {
                Some(right) => self.value(&path.key(key), left, right),
                None => missing.push((key, left)),
            }
        }
        if is_aligned {
            return;
        }
        // Keys may be generated, too.
        let mut extra: Vec<_> = b.iter().filter(|(key, _)| !a.contains_key(*key)).collect();
        let are_few = missing.len().saturating_mul(extra.len()) <= KEYS_MAX;
        for (key, left) in missing {
            let is_alike = |other: &str| {
                are_few
                    && self.rules.match_generated
                    && generated::parts(key, other).is_some_and(|parts| parts.times.is_empty())
            };
            match extra.iter().position(|(other, _)| is_alike(other)) {
                Some(at) => {
                    let (other, right) = extra.remove(at);
                    self.pair(&path.key(key), key, other);
                    self.value(&path.key(key), left, right);
                }
                None => self.absent(&path.key(key), left, true),
            }
        }
        for (key, right) in extra {
            self.absent(&path.key(key), right, false);
        }
        self.key_order(path, a, b);
    }

    fn key_order(&mut self, path: &Path<'_>, a: &Map<String, Value>, b: &Map<String, Value>) {
        let left = a.keys().filter(|key| b.contains_key(*key));
        let right = b.keys().filter(|key| a.contains_key(*key));
        // The members of an effect have no order.
        if self.part == Part::Body && left.ne(right) {
            let keys = |map: &Map<String, Value>| map.keys().take(64).cloned().collect::<Value>();
            self.report(Class::KeyOrder, path, Some(&keys(a)), Some(&keys(b)));
        }
    }

    /// One side has nothing here.
    pub(super) fn absent(&mut self, path: &Path<'_>, present: &Value, is_of_primary: bool) {
        if self.rules.is_ignored(path) || present.is_null() && self.rules.null_equals_missing {
            return;
        }
        let class = match present {
            Value::Null => Class::NullForMissing,
            value if is_empty(value) => Class::EmptyForMissing,
            _ if is_of_primary => Class::Missing,
            _ => Class::Extra,
        };
        let present = Some(present);
        let (a, b) = if is_of_primary { (present, None) } else { (None, present) };
        self.report(class, path, a, b);
    }

    pub(super) fn number(&mut self, path: &Path<'_>, a: &Number, b: &Number) {
        let Some(class) = classify::numbers(a, b) else { return };
        let report = |walk: &mut Self, class| {
            let (a, b) = (Value::Number(a.clone()), Value::Number(b.clone()));
            walk.report(class, path, Some(&a), Some(&b));
        };
        if class == Class::NumberFormat {
            return report(self, class);
        }
        if self.is_generated_place(path) {
            return self.pair(path, &a.to_string(), &b.to_string());
        }
        let (x, y) = (classify::to_f64(a), classify::to_f64(b));
        if self.is_tolerated(path, x, y) {
            return;
        }
        if let (Some((left_ms, left_unit)), Some((right_ms, right_unit))) =
            (time::epoch(x), time::epoch(y))
        {
            match self.calls.relation(left_ms, right_ms) {
                Relation::Same if left_unit == right_unit => return,
                Relation::Same => return report(self, Class::TimeFormat),
                Relation::Shifted => return report(self, Class::TimeZone),
                Relation::Different => {}
            }
        } else if self.rules.match_generated && !a.is_f64() && !b.is_f64() {
            // Ids made of a time and a counter.
            let (left, right) = (a.to_string(), b.to_string());
            if left.len() >= 17 && left.len() == right.len() {
                return self.pair(path, &left, &right);
            }
        }
        report(self, class);
    }

    fn is_tolerated(&self, path: &Path<'_>, x: f64, y: f64) -> bool {
        if self.rules.tolerances.is_empty() {
            return false;
        }
        self.rules.tolerances.find(path).is_some_and(|(absolute, relative)| {
            let distance = (x - y).abs();
            distance <= *absolute || distance <= relative * x.abs().max(y.abs())
        })
    }

    pub(super) fn text(&mut self, path: &Path<'_>, a: &str, b: &str) {
        if a == b {
            return;
        }
        if self.is_generated_place(path) {
            return self.pair(path, a, b);
        }
        if self.nested < NESTED_MAX
            && let Some((left, right)) = open_both(a, b)
        {
            self.nested += 1;
            self.value(path, &left, &right);
            self.nested -= 1;
            return;
        }
        if let Some(class) = self.times_or_generated(path, a, b) {
            let Some(class) = class else { return };
            return self.report(class, path, Some(&a.into()), Some(&b.into()));
        }
        if let (Some(x), Some(y)) = (text::number(a), text::number(b))
            && self.is_tolerated(path, x, y)
        {
            return;
        }
        self.report(text::classify(a, b), path, Some(&a.into()), Some(&b.into()));
    }

    /// Explains a difference by times and generated values: the inner nothing is that all is well.
    fn times_or_generated(&mut self, path: &Path<'_>, a: &str, b: &str) -> Option<Option<Class>> {
        if let (Some(left), Some(right)) = (time::parse(a), time::parse(b)) {
            return Some(match self.calls.relation_of_written(left.instant_ms, right.instant_ms) {
                Relation::Same if left.is_date() || right.is_date() => (left.is_date()
                    != right.is_date())
                .then_some(Class::TimeFormat)
                .or((left.instant_ms != right.instant_ms && self.calls.tolerance_ms == 0)
                    .then_some(Class::Time)),
                Relation::Same if left.offset_min != right.offset_min => Some(Class::TimeZone),
                Relation::Same if !left.is_like(&right) => Some(Class::TimeFormat),
                Relation::Same => None,
                Relation::Shifted => Some(Class::TimeZone),
                Relation::Different => Some(Class::Time),
            });
        }
        if a.len() > PARTS_BYTES_MAX || b.len() > PARTS_BYTES_MAX {
            return None;
        }
        let parts = generated::parts(a, b)?;
        if !parts.generated.is_empty() && !self.rules.match_generated {
            return None;
        }
        for (primary_ms, candidate_ms) in parts.times {
            match self.calls.relation(primary_ms, candidate_ms) {
                Relation::Same => {}
                Relation::Shifted => return Some(Some(Class::TimeZone)),
                Relation::Different => return Some(Some(Class::Time)),
            }
        }
        for (primary, candidate) in parts.generated {
            self.pair(path, primary, candidate);
        }
        Some(None)
    }

    fn is_generated_place(&self, path: &Path<'_>) -> bool {
        !self.rules.generated.is_empty() && self.rules.generated.find(path).is_some()
    }

    fn pair(&mut self, path: &Path<'_>, primary: &str, candidate: &str) {
        let Walk { findings, part, pairs, places, rules, .. } = self;
        pairs.note(primary, candidate, || {
            let place = findings.place(path);
            let kind = Kind { part: *part, class: Class::MixedUp, place };
            places.push((kind, rules.redactor().hides(path)));
            places.len() - 1
        });
    }

    /// Whether a difference between two times is explained by when the calls happened.
    pub(super) fn is_made_by_calls(&self, time_ms: i64) -> bool {
        let calls = &self.calls;
        [calls.primary_ms, calls.candidate_ms]
            .iter()
            .any(|call| *call != 0 && time_ms.abs_diff(*call) < 86_400_000)
    }
}

fn tokens<'a>(observed: &'a Observed, tokens: &mut std::collections::HashSet<&'a str>) {
    match &observed.answer {
        Answer::Http { headers, body, .. } => {
            headers.iter().for_each(|(_, value)| generated::tokens_of_text(value, tokens));
            generated::tokens_of_text(std::str::from_utf8(body).unwrap_or_default(), tokens);
        }
        Answer::Invoke { payload, .. } => {
            generated::tokens_of_text(std::str::from_utf8(payload).unwrap_or_default(), tokens);
        }
        Answer::Failed { .. } => {}
    }
    for effect in observed.effects.iter().take(super::EFFECTS_MAX) {
        generated::tokens_of_value(&effect.input, DEPTH_MAX, tokens);
    }
}

/// The documents that two texts are, plain or in base64.
fn open_both(a: &str, b: &str) -> Option<(Value, Value)> {
    if let Some(left) = text::open(a) {
        return text::open(b).map(|right| (left, right));
    }
    let left = text::open_base64(a)?;
    text::open_base64(b).map(|right| (left, right))
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::String(text) => text.is_empty(),
        Value::Array(elements) => elements.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

fn other_type(a: &Value, b: &Value) -> Class {
    match (a, b) {
        (Value::Null, other) | (other, Value::Null) if is_empty(other) => Class::EmptyForMissing,
        (Value::Null, _) | (_, Value::Null) => Class::Null,
        (Value::String(text), Value::Number(number))
        | (Value::Number(number), Value::String(text)) => {
            let value = text::number(text);
            if value.is_some_and(|value| value == classify::to_f64(number)) {
                Class::NumberAsText
            } else {
                Class::Type
            }
        }
        _ => Class::Type,
    }
}

fn is_set(map: &Map<String, Value>) -> bool {
    map.keys().next().is_some_and(|key| matches!(key.as_str(), "SS" | "NS" | "BS"))
}

/// The value of a DynamoDB attribute: `{"S": "x"}` is `"x"`, `{"N": "1"}` is `1`.
pub(super) fn attribute(map: &Map<String, Value>) -> Option<Cow<'_, Value>> {
    if map.len() != 1 {
        return None;
    }
    let (key, value) = map.iter().next()?;
    match (key.as_str(), value) {
        ("S" | "B", Value::String(_)) | ("BOOL", Value::Bool(_)) => Some(Cow::Borrowed(value)),
        ("N", Value::String(text)) => {
            text::number(text)?;
            Some(Cow::Owned(decimal(text)))
        }
        ("NULL", Value::Bool(true)) => Some(Cow::Owned(Value::Null)),
        ("L", Value::Array(_)) | ("M", Value::Object(_)) => Some(Cow::Borrowed(value)),
        ("SS" | "BS", Value::Array(elements)) if elements.iter().all(Value::is_string) => {
            Some(Cow::Borrowed(value))
        }
        ("NS", Value::Array(elements)) => {
            let numbers =
                elements.iter().map(|e| e.as_str().map(decimal)).collect::<Option<_>>()?;
            Some(Cow::Owned(Value::Array(numbers)))
        }
        _ => None,
    }
}

/// A number of DynamoDB: as a number where that keeps all its digits, else as a normalized text.
fn decimal(text: &str) -> Value {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    if digits <= 15 {
        if let Ok(whole) = text.parse::<i64>() {
            return whole.into();
        }
        if let Some(number) = text.parse::<f64>().ok().and_then(Number::from_f64) {
            // DynamoDB keeps `1.0` as 1.
            #[expect(clippy::cast_possible_truncation, reason = "it is whole and in range")]
            return match number.as_f64() {
                Some(float) if float.fract() == 0.0 && float.abs() < 1e15 => (float as i64).into(),
                _ => Value::Number(number),
            };
        }
    }
    let text = text.trim_start_matches('+');
    match text.split_once('.') {
        Some((whole, fraction)) if !text.contains(['e', 'E']) => {
            let fraction = fraction.trim_end_matches('0');
            let dot = if fraction.is_empty() { "" } else { "." };
            format!("{whole}{dot}{fraction}").into()
        }
        _ => text.into(),
    }
}
