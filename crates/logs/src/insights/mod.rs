//! Logs Insights: queries over the events of groups.
//!
//! Read first: `parse.rs` (the language), `run.rs` (what its commands do), `task.rs` (how a query becomes results).
//! A query is bounded in the events and bytes that it looks at, in the groups of `stats`, and in time; one that
//! meets a bound ends as `Timeout` with what it has.

mod lex;
mod parse;
mod run;
pub(crate) mod task;

pub(crate) use parse::parse;
pub(crate) use run::{Record, run};

/// One step of a query.
#[derive(Debug)]
pub(crate) enum Command {
    Fields(Vec<Named>),
    Display(Vec<Named>),
    Filter(Expression),
    Sort(Vec<(Expression, bool)>),
    Limit(usize),
    Dedup(Vec<Expression>),
    Stats(Vec<(Aggregation, String)>, Vec<Named>),
    /// The field, what finds the parts in it, and the names that they get.
    Parse(Expression, regex::Regex, Vec<String>),
}

/// An expression and what its value is called.
#[derive(Debug, Clone)]
pub(crate) struct Named {
    pub(crate) name: String,
    pub(crate) of: Expression,
}

#[derive(Debug, Clone)]
pub(crate) enum Expression {
    Number(f64),
    Text(String),
    Field(String),
    /// Operator or function, in small letters.
    Call(String, Vec<Expression>),
    Matches(Box<Expression>, regex::Regex),
    /// Milliseconds that times are cut down to.
    Bin(i64),
}

#[derive(Debug, Clone)]
pub(crate) struct Aggregation {
    pub(crate) function: String,
    pub(crate) of: Option<Expression>,
    pub(crate) percent: f64,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Number(f64),
    Text(String),
    /// Milliseconds since the epoch.
    Time(i64),
}

pub(crate) const RESULTS_MAX: usize = 10_000;
