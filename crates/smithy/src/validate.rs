//! Constraint checks with AWS's wording, as a reader around a reader.
//!
//! The wording follows what the services' common framework answers:
//! `1 validation error detected: Value 'x' at 'member' failed to satisfy constraint: …`.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

use bytes::Bytes;
use regex::Regex;

use crate::shape::{OnElement, OnEntry, OnMember};
use crate::{Body, Document, Member, ReadError, Schema, Shape, ShapeReader, Timestamp, read_shape};

/// One constraint that a value does not satisfy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Where, in AWS's form: `functionName`, `entries.1.member.id`.
    pub path: String,
    /// The value as AWS quotes it; `None` for a missing one.
    pub value: Option<String>,
    pub constraint: Constraint,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Constraint {
    Missing,
    LengthMin(i64),
    LengthMax(i64),
    ValueMin(i64),
    ValueMax(i64),
    Pattern(&'static str),
    Values(&'static [&'static str]),
}

impl Violation {
    /// The sentence about this one violation.
    pub fn sentence(&self) -> String {
        let value = self.value.as_ref().map_or_else(|| "null".to_owned(), |v| format!("'{v}'"));
        let must = match &self.constraint {
            Constraint::Missing => "Member must not be null".to_owned(),
            Constraint::LengthMin(n) => {
                format!("Member must have length greater than or equal to {n}")
            }
            Constraint::LengthMax(n) => {
                format!("Member must have length less than or equal to {n}")
            }
            Constraint::ValueMin(n) => {
                format!("Member must have value greater than or equal to {n}")
            }
            Constraint::ValueMax(n) => format!("Member must have value less than or equal to {n}"),
            Constraint::Pattern(p) => {
                format!("Member must satisfy regular expression pattern: {p}")
            }
            Constraint::Values(values) => {
                format!("Member must satisfy enum value set: [{}]", values.join(", "))
            }
        };
        format!("Value {value} at '{}' failed to satisfy constraint: {must}", self.path)
    }
}

/// The message about all of them, as AWS writes it.
pub fn message(violations: &[Violation]) -> String {
    let sentences: Vec<_> = violations.iter().map(Violation::sentence).collect();
    let plural = if violations.len() == 1 { "" } else { "s" };
    format!("{} validation error{plural} detected: {}", violations.len(), sentences.join("; "))
}

/// Reads a shape and collects what it violates. At most ten violations are kept.
pub fn read_validated<T: Shape>(
    reader: &mut dyn ShapeReader,
) -> Result<(T, Vec<Violation>), ReadError> {
    let mut found = Found::default();
    let shape = read_shape(&mut Validator { reader, at: None, found: &mut found })?;
    Ok((shape, found.violations))
}

const VIOLATIONS_MAX: usize = 10;

#[derive(Default)]
struct Found {
    path: Vec<Segment>,
    violations: Vec<Violation>,
}

enum Segment {
    Member(&'static str),
    Element(usize),
    Entry(String),
}

impl Found {
    fn add(&mut self, value: Option<String>, constraint: Constraint) {
        if self.violations.len() < VIOLATIONS_MAX {
            self.violations.push(Violation { path: self.render(), value, constraint });
        }
    }

    fn render(&self) -> String {
        let mut path = String::new();
        for segment in &self.path {
            if !path.is_empty() {
                path.push('.');
            }
            match segment {
                Segment::Member(name) => {
                    let mut chars = name.chars();
                    path.extend(chars.next().map(|c| c.to_ascii_lowercase()));
                    path.push_str(chars.as_str());
                }
                Segment::Element(index) => path.push_str(&format!("{}.member", index + 1)),
                Segment::Entry(key) => path.push_str(&format!("{key}.member")),
            }
        }
        path
    }

    fn length(&mut self, schema: &'static Schema, length: usize, value: impl Fn() -> String) {
        let length = i64::try_from(length).unwrap_or(i64::MAX);
        if let Some(min) = schema.min.filter(|min| length < *min) {
            self.add(Some(value()), Constraint::LengthMin(min));
        }
        if let Some(max) = schema.max.filter(|max| length > *max) {
            self.add(Some(value()), Constraint::LengthMax(max));
        }
    }

    fn text(&mut self, schema: &'static Schema, text: &str) {
        let shown = || {
            if schema.sensitive { "***".to_owned() } else { shorten(text) }
        };
        self.length(schema, text.chars().count(), shown);
        if !schema.values.is_empty() && !schema.values.contains(&text) {
            self.add(Some(shown()), Constraint::Values(schema.values));
        }
        if let Some(pattern) = schema.pattern
            && !matches(pattern, text)
        {
            self.add(Some(shown()), Constraint::Pattern(pattern));
        }
    }

    fn number(&mut self, schema: &'static Schema, value: f64, shown: &str) {
        if let Some(min) = schema.min.filter(|min| value < *min as f64) {
            self.add(Some(shown.to_owned()), Constraint::ValueMin(min));
        }
        if let Some(max) = schema.max.filter(|max| value > *max as f64) {
            self.add(Some(shown.to_owned()), Constraint::ValueMax(max));
        }
    }
}

fn shorten(text: &str) -> String {
    match text.char_indices().nth(1024) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// Compiled patterns by their text; `None` for the few that this engine cannot compile
/// (look-around), which then do not constrain.
type Patterns = HashMap<&'static str, Option<Arc<Regex>>>;
static PATTERNS: LazyLock<RwLock<Patterns>> = LazyLock::new(RwLock::default);

fn matches(pattern: &'static str, text: &str) -> bool {
    let known = PATTERNS.read().unwrap_or_else(PoisonError::into_inner).get(pattern).cloned();
    let regex = known.unwrap_or_else(|| {
        let compiled = Regex::new(&format!("^(?:{pattern})$")).ok().map(Arc::new);
        let mut patterns = PATTERNS.write().unwrap_or_else(PoisonError::into_inner);
        patterns.insert(pattern, compiled.clone());
        compiled
    });
    regex.is_none_or(|regex| regex.is_match(text))
}

struct Validator<'a> {
    reader: &'a mut dyn ShapeReader,
    /// The schema of the value that the reader stands at; `None` at the root.
    at: Option<&'static Schema>,
    found: &'a mut Found,
}

impl ShapeReader for Validator<'_> {
    fn structure(&mut self, schema: &'static Schema, on: OnMember<'_>) -> Result<(), ReadError> {
        let members = schema.members();
        let mut seen = vec![false; members.len()];
        let found = &mut *self.found;
        self.reader.structure(schema, &mut |index, reader| {
            if let Some(seen) = seen.get_mut(index) {
                *seen = true;
            }
            let member = members.get(index);
            found.path.push(Segment::Member(member.map_or("", |m| m.name)));
            let at = member.map(|m| m.schema);
            let result = on(index, &mut Validator { reader, at, found });
            found.path.pop();
            result
        })?;
        for (member, _) in members.iter().zip(seen).filter(|(m, seen)| m.required && !seen) {
            self.found.path.push(Segment::Member(member.name));
            self.found.add(None, Constraint::Missing);
            self.found.path.pop();
        }
        Ok(())
    }

    fn list(&mut self, schema: &'static Schema, on: OnElement<'_>) -> Result<(), ReadError> {
        let crate::Kind::List(element) = schema.kind else {
            return self.reader.list(schema, on);
        };
        let mut length = 0;
        let found = &mut *self.found;
        self.reader.list(schema, &mut |reader| {
            found.path.push(Segment::Element(length));
            length += 1;
            let result = on(&mut Validator { reader, at: Some(element.schema), found });
            found.path.pop();
            result
        })?;
        self.found.length(schema, length, || "[]".to_owned());
        Ok(())
    }

    fn map(&mut self, schema: &'static Schema, on: OnEntry<'_>) -> Result<(), ReadError> {
        let crate::Kind::Map(key_member, element) = schema.kind else {
            return self.reader.map(schema, on);
        };
        let mut length = 0;
        let found = &mut *self.found;
        self.reader.map(schema, &mut |key, reader| {
            length += 1;
            found.text(key_member.schema, &key);
            found.path.push(Segment::Entry(key.clone()));
            let result = on(key, &mut Validator { reader, at: Some(element.schema), found });
            found.path.pop();
            result
        })?;
        self.found.length(schema, length, || "{}".to_owned());
        Ok(())
    }

    fn boolean(&mut self) -> Result<bool, ReadError> {
        self.reader.boolean()
    }

    fn integer(&mut self) -> Result<i64, ReadError> {
        let value = self.reader.integer()?;
        if let Some(schema) = self.at {
            self.found.number(schema, value as f64, &value.to_string());
        }
        Ok(value)
    }

    fn float(&mut self) -> Result<f64, ReadError> {
        let value = self.reader.float()?;
        if let Some(schema) = self.at {
            self.found.number(schema, value, &value.to_string());
        }
        Ok(value)
    }

    fn string(&mut self) -> Result<String, ReadError> {
        let value = self.reader.string()?;
        if let Some(schema) = self.at {
            self.found.text(schema, &value);
        }
        Ok(value)
    }

    fn blob(&mut self) -> Result<Bytes, ReadError> {
        let value = self.reader.blob()?;
        if let Some(schema) = self.at {
            self.found.length(schema, value.len(), || {
                format!("java.nio.HeapByteBuffer[pos=0 lim={0} cap={0}]", value.len())
            });
        }
        Ok(value)
    }

    fn timestamp(&mut self, member: &'static Member) -> Result<Timestamp, ReadError> {
        self.reader.timestamp(member)
    }

    fn document(&mut self) -> Result<Document, ReadError> {
        self.reader.document()
    }

    fn stream(&mut self) -> Result<Body, ReadError> {
        self.reader.stream()
    }

    fn is_null(&mut self) -> bool {
        self.reader.is_null()
    }
}
