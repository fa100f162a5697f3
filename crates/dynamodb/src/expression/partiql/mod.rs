//! PartiQL: statements as text, and what they come to in conditions, updates and items. What is executed is
//! the same as for the operations with expressions.

mod lexer;
mod parser;
#[cfg(test)]
mod tests;

use undercast_kernel::ServiceError;

use super::condition::Comparator;
use super::{Condition, Operand, Path, RangeCondition, Update};
use crate::error::invalid;
use crate::value::{Item, Value};

#[derive(Debug, Clone, PartialEq)]
pub enum Statement {
    Select(Select),
    /// A condition of a transaction: that there is such an item.
    Exists(Select),
    Insert {
        table: String,
        item: Item,
    },
    Update {
        table: String,
        update: Update,
        filter: Condition,
        returning: Option<Returning>,
    },
    Delete {
        table: String,
        filter: Condition,
        returning: Option<Returning>,
    },
}

#[derive(Debug, Clone, PartialEq)]
pub struct Select {
    /// Everything if `None`.
    pub columns: Option<Vec<Path>>,
    pub table: String,
    pub index: Option<String>,
    pub filter: Option<Condition>,
    /// Names, and whether they fall.
    pub order: Vec<(String, bool)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Returning {
    AllOld,
    AllNew,
    ModifiedOld,
    ModifiedNew,
}

impl Statement {
    pub fn table(&self) -> &str {
        match self {
            Self::Select(select) | Self::Exists(select) => &select.table,
            Self::Insert { table, .. }
            | Self::Update { table, .. }
            | Self::Delete { table, .. } => table,
        }
    }

    pub fn is_read(&self) -> bool {
        matches!(self, Self::Select(_))
    }

    /// `PartiQLSelect`, ….
    pub fn action(&self) -> &'static str {
        match self {
            Self::Select(_) | Self::Exists(_) => "PartiQLSelect",
            Self::Insert { .. } => "PartiQLInsert",
            Self::Update { .. } => "PartiQLUpdate",
            Self::Delete { .. } => "PartiQLDelete",
        }
    }
}

/// Reads a statement; each `?` in it stands for the next parameter.
pub fn parse_statement(text: &str, parameters: Vec<Value>) -> Result<Statement, ServiceError> {
    parser::Parser::new(text, parameters)?.statement()
}

fn malformed(what: impl std::fmt::Display) -> ServiceError {
    invalid(format!("Statement wasn't well formed, can't be processed: {what}"))
}

/// What a condition says of the keys of a table or index, and what is left of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Keys {
    /// The partitions that it can hold in; none says: in any.
    pub hashes: Vec<Value>,
    pub range: Option<RangeCondition>,
    pub rest: Option<Condition>,
}

impl Keys {
    pub fn of(condition: Option<Condition>, hash: &str, range: Option<&str>) -> Self {
        let all = match condition {
            None => Vec::new(),
            Some(Condition::And(all)) => all,
            Some(other) => vec![other],
        };
        let mut keys = Self { hashes: Vec::new(), range: None, rest: None };
        let mut rest = Vec::new();
        for condition in all {
            if keys.hashes.is_empty()
                && let Some(hashes) = values_of(&condition, hash)
            {
                keys.hashes = hashes;
            } else if keys.range.is_none()
                && let Some(found) = range.and_then(|range| range_of(&condition, range))
            {
                keys.range = Some(found);
            } else {
                rest.push(condition);
            }
        }
        if keys.hashes.is_empty()
            && let (Some(found), Some(range)) = (keys.range.take(), range)
        {
            // Without a partition a sort key is an attribute like any other.
            rest.push(again(range, found));
        }
        keys.rest = and(rest);
        keys
    }
}

pub fn and(mut all: Vec<Condition>) -> Option<Condition> {
    match all.len() {
        0 | 1 => all.pop(),
        _ => Some(Condition::And(all)),
    }
}

fn is_name(operand: &Operand, name: &str) -> bool {
    matches!(operand, Operand::Path(path) if path.name == name && path.rest.is_empty())
}

/// The values that an attribute is asked to be equal to one of.
fn values_of(condition: &Condition, name: &str) -> Option<Vec<Value>> {
    match condition {
        Condition::Compare(Comparator::Eq, one, Operand::Value(value)) if is_name(one, name) => {
            Some(vec![value.clone()])
        }
        Condition::Compare(Comparator::Eq, Operand::Value(value), two) if is_name(two, name) => {
            Some(vec![value.clone()])
        }
        Condition::In(operand, any) if is_name(operand, name) => {
            let mut values = Vec::with_capacity(any.len());
            for operand in any {
                let Operand::Value(value) = operand else {
                    return None;
                };
                if !values.contains(value) {
                    values.push(value.clone());
                }
            }
            Some(values)
        }
        _ => None,
    }
}

/// The values that any attribute is asked to be equal to, where it is not known which one is the key.
pub fn equal_values(condition: &Condition) -> Vec<Value> {
    let operands: Vec<&Operand> = match condition {
        Condition::And(all) => return all.iter().flat_map(equal_values).collect(),
        Condition::Compare(Comparator::Eq, one, two) => vec![one, two],
        Condition::In(_, any) => any.iter().collect(),
        _ => Vec::new(),
    };
    let value = |operand: &&Operand| match operand {
        Operand::Value(value) => Some(value.clone()),
        _ => None,
    };
    operands.iter().filter_map(value).collect()
}

fn range_of(condition: &Condition, name: &str) -> Option<RangeCondition> {
    let (comparator, value) = match condition {
        Condition::Between(operand, Operand::Value(low), Operand::Value(high))
            if is_name(operand, name) =>
        {
            return Some(RangeCondition::Between(low.clone(), high.clone()));
        }
        Condition::BeginsWith(operand, Operand::Value(prefix)) if is_name(operand, name) => {
            return Some(RangeCondition::BeginsWith(prefix.clone()));
        }
        Condition::Compare(comparator, operand, Operand::Value(value))
            if is_name(operand, name) =>
        {
            (*comparator, value.clone())
        }
        Condition::Compare(comparator, Operand::Value(value), operand)
            if is_name(operand, name) =>
        {
            (comparator.mirrored(), value.clone())
        }
        _ => return None,
    };
    Some(match comparator {
        Comparator::Eq => RangeCondition::Eq(value),
        Comparator::Lt => RangeCondition::Lt(value),
        Comparator::Le => RangeCondition::Le(value),
        Comparator::Gt => RangeCondition::Gt(value),
        Comparator::Ge => RangeCondition::Ge(value),
        Comparator::Ne => return None,
    })
}

/// The condition that a range was taken from.
fn again(name: &str, range: RangeCondition) -> Condition {
    let path = Operand::Path(Path { name: name.to_owned(), rest: Vec::new() });
    let compare =
        |comparator, value| Condition::Compare(comparator, path.clone(), Operand::Value(value));
    match range {
        RangeCondition::Eq(value) => compare(Comparator::Eq, value),
        RangeCondition::Lt(value) => compare(Comparator::Lt, value),
        RangeCondition::Le(value) => compare(Comparator::Le, value),
        RangeCondition::Gt(value) => compare(Comparator::Gt, value),
        RangeCondition::Ge(value) => compare(Comparator::Ge, value),
        RangeCondition::Between(low, high) => {
            Condition::Between(path, Operand::Value(low), Operand::Value(high))
        }
        RangeCondition::BeginsWith(value) => Condition::BeginsWith(path, Operand::Value(value)),
    }
}
