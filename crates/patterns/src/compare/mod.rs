//! What kinds of difference there are between what a primary and a candidate did for one request.
//!
//! [`compare`] gives a [`Verdict`]: a bounded list of [`Difference`]s, each of a [`Kind`] that is the same for all
//! requests that differ in the same way at the same place, so that a million differing requests are a handful of
//! lines for a human. How it decides:
//!
//! - Answers that are equal byte for byte, with equal effects, match without being parsed.
//! - Bodies that are JSON are compared as structure, and so is JSON inside of strings, inside of base64, and inside
//!   of DynamoDB's attribute values. The answer of an HTTP function (`statusCode`, `headers`, `body`) is compared as
//!   the HTTP answer that it becomes.
//! - The order of the keys of an object and `1.0` for `1` are shown ([`Severity::Inform`]) but do not count against
//!   the match rate: no JSON reader promises them. [`Rules::classes`] says otherwise, for any class.
//! - A generated value (UUID, ULID, hexadecimal or random token) that differs is equal if it stands for the same
//!   value wherever it occurs: one to one over the answer and all effects. One that is mixed up is found
//!   ([`Class::MixedUp`]). What this cannot find is a wrong random value that occurs once.
//! - A time is equal if it is as far from the start of its own side's call, within the duration of the calls and a
//!   second; only times close to the call or ahead of it are looked at that way.
//! - Effects are normalized into single ones (a batch is its entries; an update expression is what it assigns),
//!   paired by what they are done to and how similar they are, and compared pair by pair. Order counts only between
//!   effects on the same key.
//!
//! Everything is bounded: depth, differences, effects, samples, the body that is compared as structure.

mod answer;
mod array;
mod classify;
mod effects;
mod expression;
mod findings;
mod generated;
mod pair;
mod path;
mod rules;
#[cfg(test)]
mod scenario;
#[cfg(test)]
mod tests;
mod text;
mod time;
mod walk;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use rules::{
    BodyKind, CompiledRules, NumericTolerance, Redact, Rules, RulesError, Slower, Treatment,
    UnorderedArray,
};

pub(crate) use path::{Path, Paths};
pub(crate) use rules::{error as rules_error, paths as rules_paths};

/// Distinct kinds of difference that are kept of one pair, for each severity; then [`Class::More`].
pub const DIFFERENCES_MAX: usize = 64;
/// A sample of a value.
pub const SAMPLE_BYTES_MAX: usize = 1024;
/// A larger body is compared by its bytes.
pub const STRUCTURE_BYTES_MAX: usize = 6 << 20;
/// Effects of one side that are looked at.
pub const EFFECTS_MAX: usize = 1024;

/// What one side did for one request.
#[derive(Debug, Clone, PartialEq)]
pub struct Observed {
    pub answer: Answer,
    pub effects: Vec<Effect>,
    pub duration_ms: f64,
    /// When the call of this side began, in unix milliseconds; 0 if that is not known.
    pub started_ms: i64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    Http {
        status: u16,
        headers: Vec<(String, String)>,
        body: Bytes,
    },
    Invoke {
        payload: Bytes,
        /// The type of a function error: `Unhandled`.
        error: Option<String>,
    },
    /// No answer. The kind is `Timeout`, `Crash`, `OutOfMemory`, `Throttled`, or anything else.
    Failed {
        kind: String,
        message: String,
    },
}

/// A call with side effects that a side made.
#[derive(Debug, Clone, PartialEq)]
pub struct Effect {
    /// As in an action: `dynamodb`.
    pub service: String,
    pub operation: String,
    pub input: Value,
    /// The error code.
    pub outcome: Result<(), String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Part {
    Failure,
    Status,
    Header,
    Body,
    Effect,
    Latency,
    /// The list of differences itself.
    List,
}

/// In what way two things differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Class {
    /// The candidate does not have it.
    Missing,
    /// Only the candidate has it.
    Extra,
    /// One side says null, the other nothing.
    NullForMissing,
    /// One side has something empty, the other null or nothing.
    EmptyForMissing,
    /// One side says null.
    Null,
    /// Text against array, and the like.
    Type,
    /// A number on one side, its text on the other.
    NumberAsText,
    /// Another truth value.
    Boolean,
    Number,
    /// Equal after rounding to fewer digits.
    Rounding,
    /// A factor of ten, a hundred, ….
    Scale,
    /// `1.0` and `1`.
    NumberFormat,
    /// `"1.0"` and `"1"`: the same number, in texts.
    NumberText,
    Text,
    Case,
    Whitespace,
    /// One text is the beginning of the other.
    Truncated,
    Bytes,
    /// One side is JSON and the other is not.
    Format,
    Time,
    /// The same instant with another offset, or times a whole number of quarter hours apart.
    TimeZone,
    /// The same instant, written with other digits or in another unit.
    TimeFormat,
    /// The same elements, or effects on the same key, in another order.
    Order,
    KeyOrder,
    /// Arrays of different length.
    Length,
    /// A generated value that stands for different values in different places.
    MixedUp,
    Status,
    /// Done once by the primary, more often by the candidate.
    DoneTwice,
    /// Done more often by the primary.
    DoneOnce,
    /// The same effect on another table, queue or other resource.
    Target,
    /// The same effect with another outcome.
    Outcome,
    TimedOut,
    Crashed,
    OutOfMemory,
    Throttled,
    /// The function reported an error.
    Threw,
    /// No answer for another reason.
    Failed,
    Slower,
    /// Differences or kinds beyond the bound.
    More,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Severity {
    /// Counts against the match rate.
    Count,
    /// Shown, but the pair still matches.
    Inform,
}

/// What differs and how: the same for all pairs that differ alike.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Kind {
    pub part: Part,
    pub class: Class,
    /// A JSON pointer whose array indices and generated keys are `*`; within an effect it begins with
    /// `/dynamodb:PutItem(orders)`. Fit for [`Rules::ignored_paths`].
    pub place: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Difference {
    pub kind: Kind,
    pub severity: Severity,
    /// How often within this pair.
    pub times: u32,
    /// Redacted and cut to [`SAMPLE_BYTES_MAX`]; nothing if that side has nothing there.
    pub primary: Option<Value>,
    pub candidate: Option<Value>,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Verdict {
    /// Those that count first.
    pub differences: Vec<Difference>,
    /// The side gave no answer, a function error, or a status from 500 on.
    pub primary_failed: bool,
    pub candidate_failed: bool,
}

impl Verdict {
    /// Whether nothing that counts differs.
    pub fn is_match(&self) -> bool {
        self.differences.iter().all(|difference| difference.severity == Severity::Inform)
    }

    pub fn is_equal(&self) -> bool {
        self.differences.is_empty()
    }
}

/// Compares what two sides did for the same request. Never fails and never panics, whatever they did.
pub fn compare(primary: &Observed, candidate: &Observed, rules: &CompiledRules) -> Verdict {
    let mut walk = walk::Walk::new(primary, candidate, rules);
    if primary.answer != candidate.answer {
        answer::compare(&mut walk, &primary.answer, &candidate.answer);
    }
    if rules.compare_effects() && primary.effects != candidate.effects {
        pair::compare(&mut walk, &primary.effects, &candidate.effects);
    }
    walk.compare_durations(primary.duration_ms, candidate.duration_ms);
    Verdict {
        differences: walk.finish(primary, candidate),
        primary_failed: answer::is_failure(&primary.answer),
        candidate_failed: answer::is_failure(&candidate.answer),
    }
}

impl Kind {
    /// Twelve hexadecimal digits, the same for ever.
    pub fn id(&self) -> String {
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        let parts = [self.part.name(), self.class.name(), self.place.as_str()];
        for byte in parts.iter().flat_map(|part| part.bytes().chain([0xff])) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        // FNV's high bits are weak for short texts.
        hash ^= hash >> 32;
        hash = hash.wrapping_mul(0xd6e8_feb8_6659_fd93);
        hash ^= hash >> 32;
        format!("{:012x}", hash & 0xffff_ffff_ffff)
    }

    /// One sentence for a human.
    pub fn description(&self) -> String {
        let place = &self.place;
        let at = match self.part {
            Part::Body if place.is_empty() => "the body".to_owned(),
            Part::Body => format!("{place} of the body"),
            Part::Header => format!("the header {place}"),
            Part::Effect => format!("the effect {}", place.trim_start_matches('/')),
            Part::Status | Part::Failure | Part::Latency | Part::List => place.clone(),
        };
        match self.class {
            Class::Missing if self.part == Part::Effect => format!("{at} was not made."),
            Class::Missing => format!("{at} is missing."),
            Class::Extra if self.part == Part::Effect => {
                format!("{at} was made by the candidate alone.")
            }
            Class::Extra => format!("{at} is there for the candidate alone."),
            Class::NullForMissing => format!("{at} is null on one side and missing on the other."),
            Class::EmptyForMissing => {
                format!("{at} is empty on one side and null or missing on the other.")
            }
            Class::Null => format!("{at} is null on one side."),
            Class::Type => format!("{at} has another type."),
            Class::NumberAsText => {
                format!("{at} is a number on one side and its text on the other.")
            }
            Class::Boolean => format!("{at} is true on one side and false on the other."),
            Class::Number => format!("{at} is another number."),
            Class::Rounding => format!("{at} is rounded in another way."),
            Class::Scale => format!("{at} differs by a power of ten."),
            Class::NumberFormat => {
                format!("{at} is the same number written in another way, such as 1.0 and 1.")
            }
            Class::NumberText => format!("{at} is a text that writes the same number differently."),
            Class::Text => format!("{at} is another text."),
            Class::Case => format!("{at} differs in upper and lower case only."),
            Class::Whitespace => format!("{at} differs in whitespace only."),
            Class::Truncated => format!("{at} is the beginning of what the other side has."),
            Class::Bytes => format!("{at} has other bytes."),
            Class::Format => format!("{at} is JSON on one side only."),
            Class::Time => format!("{at} is another time."),
            Class::TimeZone => format!("{at} is in another time zone."),
            Class::TimeFormat => format!("{at} is the same time written in another way."),
            Class::Order if self.part == Part::Effect => {
                format!(
                    "{at} was made in another order on the same key, or has another order inside."
                )
            }
            Class::Order => format!("{at} has the same elements in another order."),
            Class::KeyOrder => format!("{at} has its keys in another order."),
            Class::Length => format!("{at} has another number of elements."),
            Class::MixedUp => format!("{at} is a generated value that belongs elsewhere."),
            Class::Status => format!("The status is another one: {at}."),
            Class::DoneTwice => format!("{at} was made more often by the candidate."),
            Class::DoneOnce => format!("{at} was made more often by the primary."),
            Class::Target => format!("{at} was made on another resource."),
            Class::Outcome => format!("{at} ended in another way."),
            Class::TimedOut => format!("A side ran out of time: {at}."),
            Class::Crashed => format!("A side crashed: {at}."),
            Class::OutOfMemory => format!("A side ran out of memory: {at}."),
            Class::Throttled => format!("A side was throttled: {at}."),
            Class::Threw => format!("A function reported an error: {at}."),
            Class::Failed => format!("A side gave no answer: {at}."),
            Class::Slower => "The candidate is much slower.".to_owned(),
            Class::More => "There are more differences than are kept.".to_owned(),
        }
    }
}

impl Part {
    pub fn name(self) -> &'static str {
        match self {
            Part::Failure => "Failure",
            Part::Status => "Status",
            Part::Header => "Header",
            Part::Body => "Body",
            Part::Effect => "Effect",
            Part::Latency => "Latency",
            Part::List => "List",
        }
    }
}

/// Their names, once: ids are made of them.
macro_rules! class_names {
    ($($class:ident)*) => {
        impl Class {
            pub const ALL: &[Class] = &[$(Class::$class),*];

            pub fn name(self) -> &'static str {
                match self {
                    $(Class::$class => stringify!($class),)*
                }
            }
        }
    };
}
class_names! {
    Missing Extra NullForMissing EmptyForMissing Null Type NumberAsText Boolean Number Rounding Scale NumberFormat
    NumberText Text Case Whitespace Truncated Bytes Format Time TimeZone TimeFormat Order KeyOrder Length MixedUp
    Status DoneTwice DoneOnce Target Outcome TimedOut Crashed OutOfMemory Throttled Threw Failed Slower More
}
