//! Conditions and filters, and whether an item fulfils them.

use std::borrow::Cow;
use std::cmp::Ordering;

use undercast_kernel::ServiceError;

use super::path::Path;
use crate::error::invalid;
use crate::value::{Item, Number, Value};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparator {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

impl Comparator {
    pub(super) fn from_sign(sign: &str) -> Option<Self> {
        Some(match sign {
            "=" => Self::Eq,
            "<>" => Self::Ne,
            "<" => Self::Lt,
            "<=" => Self::Le,
            ">" => Self::Gt,
            ">=" => Self::Ge,
            _ => return None,
        })
    }

    /// The one that says the same with its operands exchanged.
    pub(super) fn mirrored(self) -> Self {
        match self {
            Self::Lt => Self::Gt,
            Self::Le => Self::Ge,
            Self::Gt => Self::Lt,
            Self::Ge => Self::Le,
            same => same,
        }
    }

    pub(super) fn sign(self) -> &'static str {
        match self {
            Self::Eq => "=",
            Self::Ne => "<>",
            Self::Lt => "<",
            Self::Le => "<=",
            Self::Gt => ">",
            Self::Ge => ">=",
        }
    }

    pub(super) fn orders(self) -> bool {
        !matches!(self, Self::Eq | Self::Ne)
    }

    fn accepts(self, ordering: Ordering) -> bool {
        match self {
            Self::Eq => ordering.is_eq(),
            Self::Ne => ordering.is_ne(),
            Self::Lt => ordering.is_lt(),
            Self::Le => ordering.is_le(),
            Self::Gt => ordering.is_gt(),
            Self::Ge => ordering.is_ge(),
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub enum Operand {
    Path(Path),
    Value(Value),
    Size(Box<Operand>),
}

#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    And(Vec<Condition>),
    Or(Vec<Condition>),
    Not(Box<Condition>),
    Compare(Comparator, Operand, Operand),
    Between(Operand, Operand, Operand),
    In(Operand, Vec<Operand>),
    Exists(Path),
    Missing(Path),
    Type(Path, String),
    BeginsWith(Operand, Operand),
    Contains(Operand, Operand),
}

impl Operand {
    fn get<'a>(&'a self, item: &'a Item) -> Option<Cow<'a, Value>> {
        match self {
            Self::Path(path) => path.get(item).map(Cow::Borrowed),
            Self::Value(value) => Some(Cow::Borrowed(value)),
            Self::Size(operand) => {
                let size = match operand.get(item)?.as_ref() {
                    Value::S(text) => text.encode_utf16().count(),
                    Value::B(bytes) => bytes.len(),
                    Value::Ss(set) => set.len(),
                    Value::Ns(set) => set.len(),
                    Value::Bs(set) => set.len(),
                    Value::M(map) => map.len(),
                    Value::L(list) => list.len(),
                    Value::N(_) | Value::Null | Value::Bool(_) => return None,
                };
                let size = Number::parse(&size.to_string()).ok()?;
                Some(Cow::Owned(Value::N(size)))
            }
        }
    }

    fn root(&self) -> Option<&Path> {
        match self {
            Self::Path(path) => Some(path),
            Self::Size(operand) => operand.root(),
            Self::Value(_) => None,
        }
    }
}

/// The order of two values of one type that has an order.
pub(super) fn order(one: &Value, two: &Value) -> Option<Ordering> {
    match (one, two) {
        (Value::S(one), Value::S(two)) => Some(one.cmp(two)),
        (Value::N(one), Value::N(two)) => Some(one.cmp(two)),
        (Value::B(one), Value::B(two)) => Some(one.cmp(two)),
        _ => None,
    }
}

impl Condition {
    pub fn holds(&self, item: &Item) -> bool {
        match self {
            Self::And(all) => all.iter().all(|condition| condition.holds(item)),
            Self::Or(any) => any.iter().any(|condition| condition.holds(item)),
            Self::Not(inner) => !inner.holds(item),
            Self::Compare(comparator, left, right) => {
                compare(*comparator, left.get(item).as_deref(), right.get(item).as_deref())
            }
            Self::Between(value, low, high) => {
                let (value, low, high) = (value.get(item), low.get(item), high.get(item));
                compare(Comparator::Ge, value.as_deref(), low.as_deref())
                    && compare(Comparator::Le, value.as_deref(), high.as_deref())
            }
            Self::In(value, any) => {
                let value = value.get(item);
                any.iter().any(|other| {
                    compare(Comparator::Eq, value.as_deref(), other.get(item).as_deref())
                })
            }
            Self::Exists(path) => path.get(item).is_some(),
            Self::Missing(path) => path.get(item).is_none(),
            Self::Type(path, kind) => path.get(item).is_some_and(|v| v.type_name() == kind),
            Self::BeginsWith(value, prefix) => {
                match (value.get(item).as_deref(), prefix.get(item).as_deref()) {
                    (Some(Value::S(text)), Some(Value::S(prefix))) => text.starts_with(prefix),
                    (Some(Value::B(bytes)), Some(Value::B(prefix))) => bytes.starts_with(prefix),
                    _ => false,
                }
            }
            Self::Contains(value, part) => {
                match (value.get(item).as_deref(), part.get(item).as_deref()) {
                    (Some(value), Some(part)) => contains(value, part),
                    _ => false,
                }
            }
        }
    }

    fn paths<'a>(&'a self, found: &mut Vec<&'a Path>) {
        let operands: &[&Operand] = match self {
            Self::And(all) | Self::Or(all) => {
                return all.iter().for_each(|condition| condition.paths(found));
            }
            Self::Not(inner) => return inner.paths(found),
            Self::Exists(path) | Self::Missing(path) | Self::Type(path, _) => {
                return found.push(path);
            }
            Self::In(value, any) => {
                found.extend(any.iter().filter_map(Operand::root));
                &[value]
            }
            Self::Compare(_, one, two) | Self::BeginsWith(one, two) | Self::Contains(one, two) => {
                &[one, two]
            }
            Self::Between(one, two, three) => &[one, two, three],
        };
        found.extend(operands.iter().filter_map(|operand| operand.root()));
    }
}

/// What is missing is equal to nothing.
fn compare(comparator: Comparator, left: Option<&Value>, right: Option<&Value>) -> bool {
    match (comparator, left, right) {
        (Comparator::Eq, Some(left), Some(right)) => left == right,
        (Comparator::Ne, Some(left), Some(right)) => left != right,
        (Comparator::Ne, ..) => true,
        (_, Some(left), Some(right)) => order(left, right).is_some_and(|o| comparator.accepts(o)),
        _ => false,
    }
}

fn contains(value: &Value, part: &Value) -> bool {
    match (value, part) {
        (Value::S(text), Value::S(part)) => text.contains(part.as_str()),
        (Value::B(bytes), Value::B(part)) => {
            part.is_empty() || bytes.windows(part.len()).any(|window| window == part)
        }
        (Value::Ss(set), Value::S(part)) => set.contains(part),
        (Value::Ns(set), Value::N(part)) => set.contains(part),
        (Value::Bs(set), Value::B(part)) => set.contains(part),
        (Value::L(list), part) => list.contains(part),
        _ => false,
    }
}

/// A filter of a query is about what is not in the key.
pub fn check_filter(condition: &Condition, keys: &[&str]) -> Result<(), ServiceError> {
    let mut paths = Vec::new();
    condition.paths(&mut paths);
    match paths.iter().find(|path| keys.contains(&path.name.as_str())) {
        Some(path) => Err(invalid(format!(
            "Filter Expression can only contain non-primary key attributes: Primary key attribute: {}",
            path.name
        ))),
        None => Ok(()),
    }
}
