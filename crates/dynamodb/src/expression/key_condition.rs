//! What a query may ask of the keys: one partition, and a range of sort keys.

use undercast_kernel::ServiceError;

use super::condition::{Comparator, Condition, Operand};
use super::{Kind, Path};
use crate::error::invalid;
use crate::value::Value;

#[derive(Debug, Clone, PartialEq)]
pub enum RangeCondition {
    Eq(Value),
    Lt(Value),
    Le(Value),
    Gt(Value),
    Ge(Value),
    Between(Value, Value),
    BeginsWith(Value),
}

#[derive(Debug, Clone, PartialEq)]
pub struct KeyCondition {
    pub hash: Value,
    pub range: Option<RangeCondition>,
}

impl RangeCondition {
    pub fn values(&self) -> Vec<&Value> {
        match self {
            Self::Eq(v)
            | Self::Lt(v)
            | Self::Le(v)
            | Self::Gt(v)
            | Self::Ge(v)
            | Self::BeginsWith(v) => vec![v],
            Self::Between(low, high) => vec![low, high],
        }
    }
}

/// Takes apart a condition by the names of the key attributes.
pub fn key_condition(
    condition: Condition,
    hash: &str,
    range: Option<&str>,
) -> Result<KeyCondition, ServiceError> {
    let mut found: Vec<(String, RangeCondition)> = Vec::new();
    flatten(condition, &mut found)?;
    for (at, (name, _)) in found.iter().enumerate() {
        if found.iter().skip(at + 1).any(|(other, _)| other == name) {
            return Err(
                Kind::Key.error("KeyConditionExpressions must only contain one condition per key")
            );
        }
    }
    if found.len() > 2 {
        return Err(invalid("Conditions can be of length 1 or 2 only"));
    }
    let missed = |name: &str| invalid(format!("Query condition missed key schema element: {name}"));
    let of_hash = found.iter().position(|(name, _)| name == hash);
    let (_, of_hash) = found.swap_remove(of_hash.ok_or_else(|| missed(hash))?);
    let RangeCondition::Eq(hash) = of_hash else {
        return Err(invalid("Query key condition not supported"));
    };
    let range = match (found.pop(), range) {
        (None, _) => None,
        (Some((name, condition)), Some(range)) if name == range => Some(condition),
        (Some(_), Some(range)) => return Err(missed(range)),
        (Some(_), None) => return Err(invalid("Query key condition not supported")),
    };
    Ok(KeyCondition { hash, range })
}

fn operator(name: &str) -> ServiceError {
    invalid(format!("Invalid operator used in KeyConditionExpression: {name}"))
}

fn flatten(
    condition: Condition,
    found: &mut Vec<(String, RangeCondition)>,
) -> Result<(), ServiceError> {
    let pair = match condition {
        Condition::And(all) => {
            return all.into_iter().try_for_each(|inner| flatten(inner, found));
        }
        Condition::Or(_) => return Err(operator("OR")),
        Condition::Not(_) => return Err(operator("NOT")),
        Condition::In(..) => return Err(operator("IN")),
        Condition::Exists(_) => return Err(operator("attribute_exists")),
        Condition::Missing(_) => return Err(operator("attribute_not_exists")),
        Condition::Type(..) => return Err(operator("attribute_type")),
        Condition::Contains(..) => return Err(operator("contains")),
        Condition::Compare(comparator, left, right) => compare(comparator, left, right)?,
        Condition::Between(key, low, high) => {
            let name = first_operand(key, "BETWEEN")?;
            (name, RangeCondition::Between(value(low)?, value(high)?))
        }
        Condition::BeginsWith(key, prefix) => {
            let name = first_operand(key, "begins_with")?;
            (name, RangeCondition::BeginsWith(value(prefix)?))
        }
    };
    found.push(pair);
    Ok(())
}

fn compare(
    comparator: Comparator,
    left: Operand,
    right: Operand,
) -> Result<(String, RangeCondition), ServiceError> {
    // `:value < key` says the same as `key > :value`.
    let (name, bound, comparator) = match (left, right) {
        (Operand::Path(path), right) => (name(path)?, value(right)?, comparator),
        (Operand::Value(bound), Operand::Path(path)) => (name(path)?, bound, comparator.mirrored()),
        (Operand::Size(_), _) | (_, Operand::Size(_)) => return Err(nested()),
        (Operand::Value(_), Operand::Value(_)) => {
            return Err(invalid(
                "Invalid condition in KeyConditionExpression: No key attribute specified",
            ));
        }
    };
    let condition = match comparator {
        Comparator::Eq => RangeCondition::Eq(bound),
        Comparator::Lt => RangeCondition::Lt(bound),
        Comparator::Le => RangeCondition::Le(bound),
        Comparator::Gt => RangeCondition::Gt(bound),
        Comparator::Ge => RangeCondition::Ge(bound),
        Comparator::Ne => return Err(operator("<>")),
    };
    Ok((name, condition))
}

fn nested() -> ServiceError {
    Kind::Key.error("KeyConditionExpressions cannot contain nested operations")
}

fn name(path: Path) -> Result<String, ServiceError> {
    if path.rest.is_empty() {
        return Ok(path.name);
    }
    Err(Kind::Key.error("KeyConditionExpressions cannot have conditions on nested attributes"))
}

fn first_operand(operand: Operand, function: &str) -> Result<String, ServiceError> {
    match operand {
        Operand::Path(path) => name(path),
        Operand::Size(_) => Err(nested()),
        Operand::Value(_) => Err(invalid(format!(
            "Invalid condition in KeyConditionExpression: {function} operator must have the key attribute as its first operand"
        ))),
    }
}

fn value(operand: Operand) -> Result<Value, ServiceError> {
    match operand {
        Operand::Value(value) => Ok(value),
        Operand::Size(_) => Err(nested()),
        Operand::Path(_) => Err(invalid(
            "Invalid condition in KeyConditionExpression: Multiple attribute names used in one condition",
        )),
    }
}
