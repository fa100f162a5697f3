//! What a user may say about how to compare, and what it becomes.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::path::{Path, Paths, Pattern};
use super::{Class, Kind, Severity};
use crate::redact::Redactor;

/// Patterns in one list.
const PATTERNS_MAX: usize = 256;

/// How to compare. Everything has a sensible default: `Rules::default()` compares without being asked anything.
///
/// Paths are JSON pointers in which `*` is one step and `**` any number: `/items/*/price`, `/**/updatedAt`. They
/// begin at the body; within effects they begin with the effect: `/dynamodb:PutItem(orders)/ttl`,
/// `/sqs:*(*)/MessageBody/at`. `/**` covers both.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
pub struct Rules {
    pub body: BodyKind,
    /// What lies there is not compared.
    pub ignored_paths: Vec<String>,
    /// Names of headers to compare, in any case; `*` for all but those that differ by nature (dates, ids of
    /// requests, lengths, traces). Of cookies only names are compared.
    pub headers: Vec<String>,
    pub unordered_arrays: Vec<UnorderedArray>,
    pub numeric_tolerances: Vec<NumericTolerance>,
    /// Times this close are equal.
    pub time_tolerance_ms: u64,
    pub null_equals_missing: bool,
    pub compare_effects: bool,
    /// Whether generated values that differ consistently are equal.
    pub match_generated: bool,
    /// Values there are taken for generated whatever they look like.
    pub generated_paths: Vec<String>,
    /// What becomes of a class of difference. Without a word: `KeyOrder`, `NumberFormat` and `Slower` inform, all
    /// others count.
    pub classes: BTreeMap<Class, Treatment>,
    pub slower: Slower,
    pub redact: Redact,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum BodyKind {
    /// JSON if both sides are; else text if both are; else bytes.
    #[default]
    Auto,
    Json,
    Text,
    Bytes,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Treatment {
    Ignore,
    Inform,
    Count,
}

/// An array whose order does not matter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct UnorderedArray {
    pub path: String,
    /// A member of the elements that tells which belong together. Without it the most similar ones do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// Numbers are equal if they differ by at most `absolute`, or by at most `relative` of the larger one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct NumericTolerance {
    pub path: String,
    #[serde(default)]
    pub absolute: f64,
    #[serde(default)]
    pub relative: f64,
}

/// A candidate is reported as slower if it takes both `factor` times the primary and `at_least_ms` longer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
pub struct Slower {
    pub factor: f64,
    pub at_least_ms: f64,
}

impl Default for Slower {
    fn default() -> Self {
        Slower { factor: 3.0, at_least_ms: 500.0 }
    }
}

/// What samples must not show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
pub struct Redact {
    /// What lies there, in bodies and effects.
    pub paths: Vec<String>,
    /// Regular expressions: what they match in any text.
    pub patterns: Vec<String>,
    /// Tokens, AWS keys, card numbers, and members with names such as `password`.
    pub built_in: bool,
    pub emails: bool,
}

impl Default for Redact {
    fn default() -> Self {
        Redact { paths: Vec::new(), patterns: Vec::new(), built_in: true, emails: false }
    }
}

impl Default for Rules {
    fn default() -> Self {
        let headers = ["cache-control", "content-type", "location", "set-cookie"];
        Rules {
            body: BodyKind::Auto,
            ignored_paths: Vec::new(),
            headers: headers.map(str::to_owned).to_vec(),
            unordered_arrays: Vec::new(),
            numeric_tolerances: Vec::new(),
            time_tolerance_ms: 0,
            null_equals_missing: false,
            compare_effects: true,
            match_generated: true,
            generated_paths: Vec::new(),
            classes: BTreeMap::new(),
            slower: Slower::default(),
            redact: Redact::default(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct RulesError {
    /// As in the rules: `IgnoredPaths`.
    pub field: String,
    pub reason: String,
}

/// Headers that differ between any two answers.
const VOLATILE_HEADERS: &[&str] = &[
    "age",
    "connection",
    "content-length",
    "date",
    "etag",
    "expires",
    "keep-alive",
    "last-modified",
    "server",
    "server-timing",
    "traceparent",
    "tracestate",
    "transfer-encoding",
    "via",
    "x-cache",
    "x-request-id",
    "x-response-time",
];

/// Rules that were checked: cheap to share, `Send` and `Sync`.
#[derive(Debug, Clone)]
pub struct CompiledRules {
    pub(super) body: BodyKind,
    pub(super) ignored: Paths<()>,
    headers: BTreeSet<String>,
    all_headers: bool,
    pub(super) unordered: Paths<Option<String>>,
    pub(super) tolerances: Paths<(f64, f64)>,
    pub(super) time_tolerance_ms: i64,
    pub(super) null_equals_missing: bool,
    compare_effects: bool,
    pub(super) match_generated: bool,
    pub(super) generated: Paths<()>,
    classes: BTreeMap<Class, Treatment>,
    pub(super) slower: Slower,
    redactor: Redactor,
}

impl Rules {
    /// Checks everything at once; the error names the field.
    pub fn compile(&self) -> Result<CompiledRules, RulesError> {
        let mut unordered = Paths::default();
        for array in &self.unordered_arrays {
            let pattern = Pattern::parse("UnorderedArrays", &array.path)?;
            unordered.push(pattern, array.key.clone());
        }
        let mut tolerances = Paths::default();
        for tolerance in &self.numeric_tolerances {
            let is_sound = |number: f64| number.is_finite() && number >= 0.0;
            if !is_sound(tolerance.absolute) || !is_sound(tolerance.relative) {
                return Err(error("NumericTolerances", "a tolerance is a number from 0 on"));
            }
            let pattern = Pattern::parse("NumericTolerances", &tolerance.path)?;
            tolerances.push(pattern, (tolerance.absolute, tolerance.relative));
        }
        let slower = &self.slower;
        if !slower.factor.is_finite() || slower.factor < 1.0 || !slower.at_least_ms.is_finite() {
            return Err(error("Slower", "the factor is a number from 1 on"));
        }
        let lengths = [
            ("IgnoredPaths", self.ignored_paths.len()),
            ("Headers", self.headers.len()),
            ("UnorderedArrays", self.unordered_arrays.len()),
            ("NumericTolerances", self.numeric_tolerances.len()),
            ("GeneratedPaths", self.generated_paths.len()),
        ];
        if let Some((field, _)) = lengths.iter().find(|(_, length)| *length > PATTERNS_MAX) {
            return Err(error(field, "at most 256 entries"));
        }
        let mut headers = BTreeSet::new();
        for name in &self.headers {
            if name.is_empty() || !name.bytes().all(|b| b.is_ascii_graphic() && b != b':') {
                return Err(error("Headers", &format!("not the name of a header: {name:?}")));
            }
            headers.insert(name.to_ascii_lowercase());
        }
        Ok(CompiledRules {
            body: self.body,
            ignored: paths("IgnoredPaths", &self.ignored_paths)?,
            all_headers: headers.contains("*"),
            headers,
            unordered,
            tolerances,
            time_tolerance_ms: i64::try_from(self.time_tolerance_ms).unwrap_or(i64::MAX),
            null_equals_missing: self.null_equals_missing,
            compare_effects: self.compare_effects,
            match_generated: self.match_generated,
            generated: paths("GeneratedPaths", &self.generated_paths)?,
            classes: self.classes.clone(),
            slower: self.slower.clone(),
            redactor: Redactor::compile(&self.redact)?,
        })
    }
}

pub(crate) fn error(field: &str, reason: &str) -> RulesError {
    RulesError { field: field.to_owned(), reason: reason.to_owned() }
}

pub(crate) fn paths(field: &str, texts: &[String]) -> Result<Paths<()>, RulesError> {
    let mut paths = Paths::default();
    for text in texts {
        paths.push(Pattern::parse(field, text)?, ());
    }
    Ok(paths)
}

impl CompiledRules {
    pub fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    pub(super) fn compare_effects(&self) -> bool {
        self.compare_effects
    }

    pub(super) fn is_ignored(&self, path: &Path<'_>) -> bool {
        !self.ignored.is_empty() && self.ignored.find(path).is_some()
    }

    pub(super) fn is_header(&self, name: &str) -> bool {
        self.headers.contains(name)
            || self.all_headers
                && !VOLATILE_HEADERS.contains(&name)
                && !name.starts_with("x-amz")
                && !name.starts_with("x-undercast-")
    }

    /// What a kind counts for; nothing if it is ignored.
    pub(super) fn severity(&self, kind: &Kind) -> Option<Severity> {
        match self.classes.get(&kind.class) {
            Some(Treatment::Ignore) => None,
            Some(Treatment::Inform) => Some(Severity::Inform),
            Some(Treatment::Count) => Some(Severity::Count),
            None => match kind.class {
                Class::KeyOrder | Class::NumberFormat | Class::Slower => Some(Severity::Inform),
                _ => Some(Severity::Count),
            },
        }
    }
}
