//! Metric math: expressions over the series of other queries.
//!
//! Read first: `parse.rs` (the grammar), `evaluate.rs` (what functions do).

mod evaluate;
mod parse;

use std::collections::BTreeMap;

use crate::series::Series;

/// Longer expressions are refused by the model already; deeper ones here.
const DEPTH_MAX: usize = 40;

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Expression {
    Number(f64),
    Text(String),
    /// The id of a query.
    Query(String),
    List(Vec<Expression>),
    Call(&'static str, Vec<Expression>),
    Operation(Operator, Box<Expression>, Box<Expression>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Power,
    Equal,
    Unequal,
    Less,
    Greater,
    AtMost,
    AtLeast,
    And,
    Or,
}

/// Where an expression is evaluated.
#[derive(Debug)]
pub(crate) struct Scope<'a> {
    /// The series of queries with a metric, in the order of the request: what `METRICS()` means.
    pub(crate) metrics: &'a [(String, Series)],
    pub(crate) expressions: &'a BTreeMap<String, Series>,
    /// Start, end and period in seconds.
    pub(crate) start: i64,
    pub(crate) end: i64,
    pub(crate) period: i64,
}

impl Expression {
    pub(crate) fn parse(text: &str) -> Result<Self, Wrong> {
        parse::parse(text)
    }

    /// The queries that it names.
    pub(crate) fn names(&self) -> Vec<&str> {
        match self {
            Self::Number(_) | Self::Text(_) => Vec::new(),
            Self::Query(id) => vec![id],
            Self::List(all) | Self::Call(_, all) => all.iter().flat_map(Self::names).collect(),
            Self::Operation(_, left, right) => {
                left.names().into_iter().chain(right.names()).collect()
            }
        }
    }

    /// The series that it comes to.
    pub(crate) fn evaluate(&self, scope: &Scope<'_>) -> Result<Series, Wrong> {
        evaluate::series(self, scope)
    }
}

/// Why an expression is none, or comes to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// In AWS's sense.
    Invalid(String),
    /// CloudWatch has it and we do not.
    Unsupported(String),
}

fn invalid(message: impl Into<String>) -> Wrong {
    Wrong::Invalid(message.into())
}
