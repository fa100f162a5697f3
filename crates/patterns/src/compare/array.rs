//! Arrays: which elements belong together.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::path::Path;
use super::walk::{Walk, attribute};
use super::{Class, generated, text, time};

/// Comparisons of elements that are made in search of the most similar ones; beyond, order decides.
const COMPARISONS_MAX: usize = 1024;
/// Elements that are less similar than this do not belong together.
const SIMILARITY_MIN: f64 = 0.5;
const DEPTH_MAX: usize = 64;

/// Which element of one array belongs to which of another, and which to none.
#[derive(Debug, Default)]
pub(super) struct Match {
    pub(super) pairs: Vec<(usize, usize)>,
    pub(super) left: Vec<usize>,
    pub(super) right: Vec<usize>,
}

impl Walk<'_> {
    pub(super) fn array(&mut self, path: &Path<'_>, a: &[Value], b: &[Value]) {
        if a == b {
            return;
        }
        let unordered = self.rules.unordered.find(path);
        if let Some(key) = unordered.filter(|_| !self.rules.unordered.is_empty()) {
            return self.unordered(path, a, b, key.as_deref());
        }
        if let ([left], [right]) = (a, b) {
            return self.value(&path.index(0), left, right);
        }
        let mut marks = self.marks(path, a, b);
        if a.len() == b.len() {
            let stay = marks.coarse_a.iter().zip(&marks.coarse_b).filter(|(x, y)| x == y).count();
            let found = if stay == a.len() { stay } else { marks.in_common() };
            if found <= stay {
                for (index, (left, right)) in a.iter().zip(b).enumerate() {
                    self.value(&path.index(index), left, right);
                }
                return;
            }
            // Something moved.
            let matched = match_up(&mut marks, a, b, 0.0);
            self.report(Class::Order, path, Some(&json!(a)), Some(&json!(b)));
            return self.matched(path, a, b, &matched.pairs);
        }
        let matched = match_up(&mut marks, a, b, SIMILARITY_MIN);
        let only = |all: &[Value], indices: &[usize]| {
            let only = indices.iter().filter_map(|index| all.get(*index)).take(3);
            json!({"Length": all.len(), "Only": only.collect::<Vec<_>>()})
        };
        // A path that ends in an index hides what is redacted there.
        let (left, right) = (only(a, &matched.left), only(b, &matched.right));
        self.report_elements(path, &left, &right);
        self.matched(path, a, b, &matched.pairs);
    }

    fn report_elements(&mut self, path: &Path<'_>, left: &Value, right: &Value) {
        let redactor = self.rules.redactor();
        let hidden = |value: &Value| {
            let mut out = value.clone();
            let elements = value.get("Only").and_then(Value::as_array);
            let only = elements.into_iter().flatten().enumerate();
            let only = only.map(|(index, e)| redactor.sample(&path.index(index), e, 300));
            if let Value::Object(members) = &mut out {
                members.insert("Only".to_owned(), only.collect());
            }
            out
        };
        let (left, right) = (hidden(left), hidden(right));
        self.report(Class::Length, path, Some(&left), Some(&right));
    }

    fn matched(&mut self, path: &Path<'_>, a: &[Value], b: &[Value], pairs: &[(usize, usize)]) {
        for (left, right) in pairs {
            if let (Some(x), Some(y)) = (a.get(*left), b.get(*right)) {
                self.value(&path.index(*left), x, y);
            }
        }
    }

    pub(super) fn unordered(
        &mut self,
        path: &Path<'_>,
        a: &[Value],
        b: &[Value],
        key: Option<&str>,
    ) {
        let matched = match key {
            Some(key) => match_by_key(a, b, key),
            None => {
                let least = if a.len() == b.len() { 0.0 } else { SIMILARITY_MIN };
                match_up(&mut self.marks(path, a, b), a, b, least)
            }
        };
        self.matched(path, a, b, &matched.pairs);
        for index in matched.left {
            if let Some(value) = a.get(index) {
                self.absent(&path.index(index), value, true);
            }
        }
        for index in matched.right {
            if let Some(value) = b.get(index) {
                self.absent(&path.index(index), value, false);
            }
        }
    }

    fn marks(&self, path: &Path<'_>, a: &[Value], b: &[Value]) -> Marks {
        let of = |all: &[Value], is_coarse: bool| {
            let each = all.iter().enumerate();
            each.map(|(index, v)| self.mark(&path.index(index), v, is_coarse)).collect()
        };
        Marks {
            exact_a: of(a, false),
            exact_b: of(b, false),
            coarse_a: of(a, true),
            coarse_b: of(b, true),
        }
    }

    /// A hash that is the same for values that are equal by the rules; coarse: also for those that differ in
    /// generated values and in times around the calls.
    pub(super) fn mark(&self, path: &Path<'_>, value: &Value, is_coarse: bool) -> u64 {
        self.mark_one();
        if !self.may_mark() || path.depth() > DEPTH_MAX || self.rules.is_ignored(path) {
            return 1;
        }
        match value {
            Value::Null => 2,
            Value::Bool(truth) => 3 + u64::from(*truth),
            Value::Number(number) => {
                let number = number.as_f64().unwrap_or(0.0);
                let is_vague = !self.rules.tolerances.is_empty()
                    && self.rules.tolerances.find(path).is_some()
                    || is_coarse
                        && time::epoch(number).is_some_and(|(ms, _)| self.is_made_by_calls(ms));
                if is_vague { 5 } else { mix(6, (number + 0.0).to_bits()) }
            }
            Value::String(text) => self.mark_of_text(path, text, is_coarse),
            Value::Array(elements) => {
                let is_unordered =
                    !self.rules.unordered.is_empty() && self.rules.unordered.find(path).is_some();
                let each = elements.iter().enumerate();
                let each = each.map(|(i, e)| self.mark(&path.index(i), e, is_coarse));
                if is_unordered { each.fold(8, u64::wrapping_add) } else { each.fold(7, mix) }
            }
            Value::Object(members) => self.mark_of_object(path, members, is_coarse),
        }
    }

    fn mark_of_object(
        &self,
        path: &Path<'_>,
        members: &Map<String, Value>,
        is_coarse: bool,
    ) -> u64 {
        if let Some(value) = attribute(members) {
            return match (&*value, members.keys().next().map(String::as_str)) {
                (Value::Array(set), Some("SS" | "NS" | "BS")) => {
                    let each = set.iter().map(|e| self.mark(path, e, is_coarse));
                    each.fold(8, u64::wrapping_add)
                }
                (value, _) => self.mark(path, value, is_coarse),
            };
        }
        let mut sum = 9_u64;
        for (key, member) in members {
            let path = path.key(key);
            let is_absent = member.is_null() && self.rules.null_equals_missing;
            if is_absent || self.rules.is_ignored(&path) {
                continue;
            }
            let key = if is_coarse && generated::is_generated(key) { 10 } else { hash(key) };
            sum = sum.wrapping_add(mix(key, self.mark(&path, member, is_coarse)));
        }
        sum
    }

    fn mark_of_text(&self, path: &Path<'_>, text: &str, is_coarse: bool) -> u64 {
        if let Some(inner) = text::open(text) {
            return self.mark(path, &inner, is_coarse);
        }
        if is_coarse {
            if generated::is_generated(text) && text.len() >= 16 {
                return 11;
            }
            if !self.rules.generated.is_empty() && self.rules.generated.find(path).is_some() {
                return 12;
            }
            if time::parse(text).is_some_and(|time| self.is_made_by_calls(time.instant_ms)) {
                return 13;
            }
        }
        hash(text)
    }
}

fn mix(hash: u64, value: u64) -> u64 {
    let mixed = (hash.rotate_left(23) ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^ (mixed >> 29)
}

fn hash(text: &str) -> u64 {
    let (chunks, rest) = text.as_bytes().as_chunks::<8>();
    let mut hash = mix(14, text.len() as u64);
    for chunk in chunks {
        hash = mix(hash, u64::from_le_bytes(*chunk));
    }
    rest.iter().fold(hash, |hash, byte| mix(hash, u64::from(*byte)))
}

/// Hashes of the elements of both sides.
pub(super) struct Marks {
    pub(super) exact_a: Vec<u64>,
    pub(super) exact_b: Vec<u64>,
    pub(super) coarse_a: Vec<u64>,
    pub(super) coarse_b: Vec<u64>,
}

impl Marks {
    /// How many elements both have, wherever they stand.
    fn in_common(&self) -> usize {
        let mut counts: HashMap<u64, usize> = HashMap::new();
        for mark in &self.coarse_a {
            *counts.entry(*mark).or_default() += 1;
        }
        let mut common = 0;
        for mark in &self.coarse_b {
            if let Some(count) = counts.get_mut(mark).filter(|count| **count > 0) {
                *count -= 1;
                common += 1;
            }
        }
        common
    }
}

/// Pairs equal elements, then those equal but for generated values, then the most similar ones.
pub(super) fn match_up(marks: &mut Marks, a: &[Value], b: &[Value], least: f64) -> Match {
    let mut matched = Match {
        pairs: Vec::with_capacity(a.len().min(b.len())),
        left: (0..a.len()).collect(),
        right: (0..b.len()).collect(),
    };
    matched.take_equal(&marks.exact_a, &marks.exact_b);
    matched.take_equal(&marks.coarse_a, &marks.coarse_b);
    matched.take_similar(least, |left, right| match (a.get(left), b.get(right)) {
        (Some(left), Some(right)) => similarity(left, right, 0),
        _ => 0.0,
    });
    matched.pairs.sort_unstable();
    matched
}

impl Match {
    pub(super) fn take_equal(&mut self, marks_a: &[u64], marks_b: &[u64]) {
        if self.left.is_empty() || self.right.is_empty() {
            return;
        }
        let mut free: HashMap<u64, Vec<usize>> = HashMap::new();
        for index in self.right.iter().rev() {
            if let Some(mark) = marks_b.get(*index) {
                free.entry(*mark).or_default().push(*index);
            }
        }
        let mut taken = std::collections::HashSet::new();
        let pairs = &mut self.pairs;
        self.left.retain(|index| {
            let other = marks_a.get(*index).and_then(|m| free.get_mut(m)).and_then(Vec::pop);
            if let Some(other) = other {
                pairs.push((*index, other));
                taken.insert(other);
            }
            other.is_none()
        });
        self.right.retain(|index| !taken.contains(index));
    }

    pub(super) fn take_similar(&mut self, least: f64, similarity: impl Fn(usize, usize) -> f64) {
        if self.left.is_empty() || self.right.is_empty() {
            return;
        }
        if self.left.len().saturating_mul(self.right.len()) > COMPARISONS_MAX {
            let count = self.left.len().min(self.right.len());
            self.pairs.extend(self.left.drain(..count).zip(self.right.drain(..count)));
            return;
        }
        let mut scores = Vec::new();
        for (x, left) in self.left.iter().enumerate() {
            for (y, right) in self.right.iter().enumerate() {
                let score = similarity(*left, *right);
                if score >= least {
                    scores.push((score, x.abs_diff(y), x + y, *left, *right));
                }
            }
        }
        // The most similar first; of equals those that stand at the same place.
        scores.sort_by(|a, b| b.0.total_cmp(&a.0).then((a.1, a.2).cmp(&(b.1, b.2))));
        for (_, _, _, left, right) in scores {
            if self.left.contains(&left) && self.right.contains(&right) {
                self.left.retain(|index| *index != left);
                self.right.retain(|index| *index != right);
                self.pairs.push((left, right));
            }
        }
    }
}

fn match_by_key(a: &[Value], b: &[Value], key: &str) -> Match {
    let key_of = |value: &Value| {
        let member = if key.starts_with('/') { value.pointer(key) } else { value.get(key) };
        member.map_or(0, |member| match member {
            Value::String(text) => hash(text),
            other => hash(&other.to_string()),
        })
    };
    let (keys_a, keys_b): (Vec<_>, Vec<_>) =
        (a.iter().map(key_of).collect(), b.iter().map(key_of).collect());
    let mut matched =
        Match { pairs: Vec::new(), left: (0..a.len()).collect(), right: (0..b.len()).collect() };
    matched.take_equal(&keys_a, &keys_b);
    // Keys may be generated.
    matched.take_similar(SIMILARITY_MIN, |left, right| match (a.get(left), b.get(right)) {
        (Some(left), Some(right)) => similarity(left, right, 0),
        _ => 0.0,
    });
    matched.pairs.sort_unstable();
    matched
}

/// How similar two values are, from 0 to 1; the same from both sides.
pub(super) fn similarity(a: &Value, b: &Value, depth: usize) -> f64 {
    match (a, b) {
        (Value::Object(x), Value::Object(y)) if depth < 8 => {
            let mut sum = 0.0;
            let mut common = 0;
            for (key, left) in x {
                if let Some(right) = y.get(key) {
                    common += 1;
                    // To have the member at all is something.
                    sum += 0.2 + 0.8 * similarity(left, right, depth + 1);
                }
            }
            ratio(sum, x.len() + y.len() - common)
        }
        (Value::Array(x), Value::Array(y)) if depth < 8 => {
            let sum = x.iter().zip(y).map(|(left, right)| similarity(left, right, depth + 1)).sum();
            ratio(sum, x.len().max(y.len()))
        }
        (Value::String(x), Value::String(y)) if x != y => {
            match generated::parts(head(x), head(y)) {
                Some(_) => 0.9,
                None => 0.1,
            }
        }
        (Value::Number(x), Value::Number(y)) if x != y => 0.3,
        (a, b) if depth >= 8 => f64::from(u8::from(a == b)),
        (Value::Null, Value::Null) => 1.0,
        (Value::Bool(x), Value::Bool(y)) => f64::from(u8::from(x == y)),
        (Value::String(_), Value::String(_)) | (Value::Number(_), Value::Number(_)) => 1.0,
        _ => 0.0,
    }
}

fn head(text: &str) -> &str {
    text.get(..256).unwrap_or(text)
}

fn ratio(sum: f64, count: usize) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    if count == 0 { 1.0 } else { sum / count as f64 }
}
