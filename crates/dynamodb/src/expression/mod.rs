//! DynamoDB's expressions: one lexer, one grammar of paths and operands, and what each kind of expression
//! makes of them. Pure: no store, no clock. Everything is bounded in size and depth.

mod condition;
mod key_condition;
pub(crate) mod legacy;
mod lexer;
mod parser;
mod partiql;
mod path;
mod projection;
mod reserved;
mod scope;
#[cfg(test)]
mod tests;
mod update;
mod update_parser;

pub use condition::{Condition, Operand, check_filter};
pub use key_condition::{KeyCondition, RangeCondition, key_condition};
pub use partiql::{Keys, Returning, Select, Statement, and, equal_values, parse_statement};
pub use path::{Path, Step};
pub use projection::Projection;
pub use scope::Scope;
pub use update::Update;

use undercast_kernel::ServiceError;

use crate::error::invalid;
use crate::limits::EXPRESSION_BYTES_MAX;
use crate::value::Item;
use parser::Parser;

/// Which parameter an expression came in: stands in errors, and decides what is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Condition,
    Filter,
    Key,
    Projection,
    Update,
}

impl Kind {
    pub fn parameter(self) -> &'static str {
        match self {
            Self::Condition => "ConditionExpression",
            Self::Filter => "FilterExpression",
            Self::Key => "KeyConditionExpression",
            Self::Projection => "ProjectionExpression",
            Self::Update => "UpdateExpression",
        }
    }

    /// `Invalid ConditionExpression: …`.
    fn error(self, message: impl std::fmt::Display) -> ServiceError {
        invalid(format!("Invalid {}: {message}", self.parameter()))
    }
}

fn parser<'a>(kind: Kind, text: &'a str, scope: &'a mut Scope) -> Result<Parser<'a>, ServiceError> {
    if text.trim().is_empty() {
        return Err(kind.error("The expression can not be empty;"));
    }
    if text.len() > EXPRESSION_BYTES_MAX {
        return Err(kind.error(format!(
            "Expression size has exceeded the maximum allowed size; expression size: {}",
            text.len()
        )));
    }
    Ok(Parser::new(kind, text, scope))
}

pub fn parse_condition(
    kind: Kind,
    text: &str,
    scope: &mut Scope,
) -> Result<Condition, ServiceError> {
    let mut parser = parser(kind, text, scope)?;
    let condition = parser.condition()?;
    parser.end()?;
    Ok(condition)
}

pub fn parse_projection(text: &str, scope: &mut Scope) -> Result<Projection, ServiceError> {
    let mut parser = parser(Kind::Projection, text, scope)?;
    let mut paths = vec![parser.path()?];
    while parser.take(",") {
        paths.push(parser.path()?);
    }
    parser.end()?;
    path::check_distinct(Kind::Projection, &paths)?;
    Ok(Projection::new(&paths))
}

pub fn parse_update(text: &str, scope: &mut Scope) -> Result<Update, ServiceError> {
    let mut parser = parser(Kind::Update, text, scope)?;
    update_parser::update(&mut parser)
}

/// Reads a text as each kind of expression, and as a statement, and runs what can be read on an item: nothing may panic or
/// take long. For fuzzing.
pub fn exercise(text: &str, item: &Item) {
    let scope = || Scope::lenient(item);
    for kind in [Kind::Condition, Kind::Filter, Kind::Key] {
        if let Ok(condition) = parse_condition(kind, text, &mut scope()) {
            condition.holds(item);
        }
    }
    if let Ok(projection) = parse_projection(text, &mut scope()) {
        projection.apply(item);
    }
    if let Ok(update) = parse_update(text, &mut scope()) {
        let _ = update.apply(item);
    }
    match parse_statement(text, Vec::new()) {
        Ok(Statement::Select(Select { filter: Some(filter), .. })) => {
            filter.holds(item);
            Keys::of(Some(filter), "pk", Some("sk"));
        }
        Ok(Statement::Update { update, .. }) => {
            let _ = update.apply(item);
        }
        _ => {}
    }
}
