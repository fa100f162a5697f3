//! What was there before expressions: conditions, updates and lists of attributes as structures. They come to the
//! same as expressions do.

use std::collections::{BTreeMap, BTreeSet};

use undercast_kernel::ServiceError;

use super::condition::{Comparator, Condition, Operand};
use super::update::{Action, Term, Update};
use super::{Path, Projection};
use crate::api::dynamodb::shapes;
use crate::api::dynamodb::shapes::{AttributeValue, AttributeValueUpdate, ExpectedAttributeValue};
use crate::error::{invalid, parameter};
use crate::value::{Value, from_wire};

type Filter = BTreeMap<String, shapes::Condition>;

/// Whether a parameter of each kind is given; both in one request are refused.
pub(crate) fn check_unmixed(
    legacy: &[(&str, bool)],
    expressions: &[(&str, bool)],
) -> Result<(), ServiceError> {
    let given = |all: &[(&str, bool)]| {
        let names = all.iter().filter(|(_, given)| *given).map(|(name, _)| (*name).to_owned());
        names.collect::<Vec<_>>().join(", ")
    };
    let (legacy, expressions) = (given(legacy), given(expressions));
    if legacy.is_empty() || expressions.is_empty() {
        return Ok(());
    }
    Err(invalid(format!(
        "Can not use both expression and non-expression parameters in the same request: Non-expression parameters: {{{legacy}}} Expression parameters: {{{expressions}}}"
    )))
}

/// `AttributesToGet`.
pub(crate) fn attributes(names: Option<&[String]>) -> Result<Option<Projection>, ServiceError> {
    let Some(names) = names else {
        return Ok(None);
    };
    let mut seen = BTreeSet::new();
    if let Some(twice) = names.iter().find(|name| !seen.insert(name.as_str())) {
        return Err(parameter(format!("Duplicate value in attribute name: {twice}")));
    }
    let paths: Vec<Path> = names.iter().map(|name| path(name)).collect();
    Ok(Some(Projection::new(paths.iter())))
}

/// `QueryFilter`, `ScanFilter` or `KeyConditions`.
pub(crate) fn filter(
    conditions: Option<Filter>,
    operator: Option<&str>,
) -> Result<Option<Condition>, ServiceError> {
    let Some(conditions) = conditions.filter(|conditions| !conditions.is_empty()) else {
        return check_alone(operator);
    };
    let one = |(name, condition): (String, shapes::Condition)| {
        let values = values(condition.attribute_value_list.unwrap_or_default())?;
        test(&name, &condition.comparison_operator, values)
    };
    let all: Vec<Condition> = conditions.into_iter().map(one).collect::<Result<_, _>>()?;
    Ok(Some(joined(all, operator)))
}

/// `Expected`.
pub(crate) fn expected(
    conditions: Option<BTreeMap<String, ExpectedAttributeValue>>,
    operator: Option<&str>,
) -> Result<Option<Condition>, ServiceError> {
    let Some(conditions) = conditions.filter(|conditions| !conditions.is_empty()) else {
        return check_alone(operator);
    };
    let all = conditions.into_iter().map(|(name, wanted)| expectation(&name, wanted));
    let all: Vec<Condition> = all.collect::<Result<_, _>>()?;
    Ok(Some(joined(all, operator)))
}

fn check_alone(operator: Option<&str>) -> Result<Option<Condition>, ServiceError> {
    match operator {
        Some(_) => Err(invalid("ConditionalOperator cannot be used without Filter or Expected")),
        None => Ok(None),
    }
}

fn joined(mut all: Vec<Condition>, operator: Option<&str>) -> Condition {
    match (all.len(), operator) {
        (1, _) => all.remove(0),
        (_, Some("OR")) => Condition::Or(all),
        _ => Condition::And(all),
    }
}

fn expectation(name: &str, wanted: ExpectedAttributeValue) -> Result<Condition, ServiceError> {
    let ExpectedAttributeValue { value, exists, comparison_operator, attribute_value_list } =
        wanted;
    let about = |what: &str| parameter(format!("{what} for Attribute: {name}"));
    match (comparison_operator, attribute_value_list) {
        (Some(_), _) if exists.is_some() => {
            Err(about("Exists and ComparisonOperator cannot be used together"))
        }
        (Some(_), Some(_)) if value.is_some() => {
            Err(about("Value and AttributeValueList cannot be used together"))
        }
        (Some(operator), list) => {
            let list = list.unwrap_or_else(|| value.into_iter().collect());
            test(name, &operator, values(list)?)
        }
        (None, Some(_)) => {
            Err(about("AttributeValueList can only be used with a ComparisonOperator"))
        }
        (None, None) => match (exists, value) {
            (Some(false), Some(_)) => {
                Err(about("Value cannot be used when Exists is set to false"))
            }
            (Some(false), None) => Ok(Condition::Missing(path(name))),
            (_, Some(value)) => Ok(compare(Comparator::Eq, name, from_wire(value)?)),
            (Some(true), None) => Err(about("Value must be provided when Exists is set to true")),
            (None, None) => Err(about("Value must be provided when Exists is set to null")),
        },
    }
}

fn values(list: Vec<AttributeValue>) -> Result<Vec<Value>, ServiceError> {
    list.into_iter().map(from_wire).collect()
}

fn path(name: &str) -> Path {
    Path { name: name.to_owned(), rest: Vec::new() }
}

fn operand(name: &str) -> Operand {
    Operand::Path(path(name))
}

fn compare(comparator: Comparator, name: &str, value: Value) -> Condition {
    Condition::Compare(comparator, operand(name), Operand::Value(value))
}

fn test(name: &str, operator: &str, mut values: Vec<Value>) -> Result<Condition, ServiceError> {
    let wanted = match operator {
        "NULL" | "NOT_NULL" => 0..=0,
        "BETWEEN" => 2..=2,
        "IN" => 1..=usize::MAX,
        _ => 1..=1,
    };
    if !wanted.contains(&values.len()) {
        return Err(parameter(format!(
            "Invalid number of argument(s) for the {operator} ComparisonOperator"
        )));
    }
    check_types(operator, &values)?;
    let first = values.first().cloned().unwrap_or(Value::Null);
    let value = Operand::Value(first.clone());
    Ok(match operator {
        "EQ" => compare(Comparator::Eq, name, first),
        "NE" => compare(Comparator::Ne, name, first),
        "LT" => compare(Comparator::Lt, name, first),
        "LE" => compare(Comparator::Le, name, first),
        "GT" => compare(Comparator::Gt, name, first),
        "GE" => compare(Comparator::Ge, name, first),
        "NOT_NULL" => Condition::Exists(path(name)),
        "NULL" => Condition::Missing(path(name)),
        "CONTAINS" => Condition::Contains(operand(name), value),
        "NOT_CONTAINS" => Condition::Not(Box::new(Condition::Contains(operand(name), value))),
        "BEGINS_WITH" => Condition::BeginsWith(operand(name), value),
        "IN" => Condition::In(operand(name), values.into_iter().map(Operand::Value).collect()),
        "BETWEEN" => {
            let high = values.pop().unwrap_or(Value::Null);
            if super::condition::order(&first, &high).is_some_and(std::cmp::Ordering::is_gt) {
                return Err(invalid(
                    "The BETWEEN condition was provided a range where the lower bound is greater than the upper bound",
                ));
            }
            Condition::Between(operand(name), value, Operand::Value(high))
        }
        other => return Err(invalid(format!("Unknown ComparisonOperator: {other}"))),
    })
}

/// What can be compared by which operator.
fn check_types(operator: &str, values: &[Value]) -> Result<(), ServiceError> {
    let has_order = |value: &Value| matches!(value, Value::S(_) | Value::N(_) | Value::B(_));
    let is_valid = |value: &Value| match operator {
        "LT" | "LE" | "GT" | "GE" | "BETWEEN" | "IN" => has_order(value),
        "BEGINS_WITH" => matches!(value, Value::S(_) | Value::B(_)),
        "CONTAINS" | "NOT_CONTAINS" => {
            has_order(value) || matches!(value, Value::Null | Value::Bool(_))
        }
        _ => true,
    };
    match values.iter().find(|value| !is_valid(value)) {
        Some(value) => Err(parameter(format!(
            "ComparisonOperator {operator} is not valid for {} AttributeValue type",
            value.type_name()
        ))),
        None => Ok(()),
    }
}

/// `AttributeUpdates`.
pub(crate) fn updates(
    updates: BTreeMap<String, AttributeValueUpdate>,
) -> Result<Update, ServiceError> {
    let one = |(name, update): (String, AttributeValueUpdate)| {
        let value = update.value.map(from_wire).transpose()?;
        let action = match (update.action.as_deref().unwrap_or("PUT"), value) {
            ("DELETE", None) => Action::Remove,
            (_, None) => {
                return Err(parameter(
                    "Only DELETE action is allowed when no attribute value is specified",
                ));
            }
            ("DELETE", Some(value)) => match value {
                Value::Ss(_) | Value::Ns(_) | Value::Bs(_) => Action::Delete(value),
                other => return Err(not_supported("DELETE", &other)),
            },
            ("ADD", Some(value)) => match value {
                Value::N(_) | Value::Ss(_) | Value::Ns(_) | Value::Bs(_) => Action::Add(value),
                Value::L(_) => {
                    let empty = Box::new(Term::Value(Value::L(Vec::new())));
                    let old = Box::new(Term::IfNotExists(path(&name), empty));
                    Action::Set(Term::ListAppend(old, Box::new(Term::Value(value))))
                }
                other => return Err(not_supported("ADD", &other)),
            },
            (_, Some(value)) => Action::Set(Term::Value(value)),
        };
        Ok((path(&name), action))
    };
    Ok(Update { actions: updates.into_iter().map(one).collect::<Result<_, _>>()? })
}

fn not_supported(action: &str, value: &Value) -> ServiceError {
    parameter(format!("{action} action is not supported for the type {}", value.type_name()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use undercast_kernel::smithy::document::from_document;

    use super::*;
    use crate::value::{Item, item_from_wire};

    fn item() -> Item {
        let item = json!({
            "n": {"N": "5"}, "s": {"S": "hello"}, "set": {"SS": ["a", "b"]}, "nothing": {"NULL": true},
        });
        let item = item.as_object().unwrap().iter();
        let item = item.map(|(name, value)| (name.clone(), from_document(value).unwrap()));
        item_from_wire(item.collect()).unwrap()
    }

    fn holds(name: &str, operator: &str, values: serde_json::Value) -> Result<bool, String> {
        let values = values.as_array().unwrap().iter();
        let condition = shapes::Condition {
            comparison_operator: operator.to_owned(),
            attribute_value_list: Some(values.map(|v| from_document(v).unwrap()).collect()),
        };
        let condition = filter(Some([(name.to_owned(), condition)].into()), None);
        Ok(condition.map_err(|error| error.message().to_owned())?.unwrap().holds(&item()))
    }

    #[test]
    fn every_operator_does_what_it_says() {
        for (name, operator, values) in [
            ("n", "EQ", json!([{"N": "5.0"}])),
            ("n", "NE", json!([{"N": "4"}])),
            ("gone", "NE", json!([{"N": "4"}])),
            ("n", "LE", json!([{"N": "5"}])),
            ("n", "GT", json!([{"N": "4"}])),
            ("n", "BETWEEN", json!([{"N": "5"}, {"N": "6"}])),
            ("n", "IN", json!([{"N": "1"}, {"N": "5"}])),
            ("s", "BEGINS_WITH", json!([{"S": "he"}])),
            ("s", "CONTAINS", json!([{"S": "ell"}])),
            ("set", "CONTAINS", json!([{"S": "b"}])),
            ("set", "NOT_CONTAINS", json!([{"S": "c"}])),
            ("gone", "NULL", json!([])),
            ("nothing", "NOT_NULL", json!([])),
        ] {
            assert_eq!(holds(name, operator, values), Ok(true), "{operator}");
        }
        assert_eq!(holds("n", "LT", json!([{"N": "5"}])), Ok(false));
        assert_eq!(holds("gone", "EQ", json!([{"N": "5"}])), Ok(false));
    }

    #[test]
    fn arguments_have_to_fit() {
        let start = "One or more parameter values were invalid: ";
        assert_eq!(
            holds("n", "EQ", json!([])).unwrap_err(),
            format!("{start}Invalid number of argument(s) for the EQ ComparisonOperator")
        );
        assert_eq!(
            holds("n", "BEGINS_WITH", json!([{"N": "1"}])).unwrap_err(),
            format!("{start}ComparisonOperator BEGINS_WITH is not valid for N AttributeValue type")
        );
    }
}
