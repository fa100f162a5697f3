//! Update expressions at work.
//!
//! Everything on the right hand side is read from the item as it was before. Elements are removed from lists last
//! and from the end, so that every index means what it meant before.

use std::cmp::Reverse;

use undercast_kernel::ServiceError;

use super::Projection;
use super::path::{Path, Step};
use crate::error::invalid;
use crate::value::{Item, Number, Value};

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Term {
    Path(Path),
    Value(Value),
    Plus(Box<Term>, Box<Term>),
    Minus(Box<Term>, Box<Term>),
    IfNotExists(Path, Box<Term>),
    ListAppend(Box<Term>, Box<Term>),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Action {
    Set(Term),
    Remove,
    Add(Value),
    Delete(Value),
}

#[derive(Debug, Clone, PartialEq)]
pub struct Update {
    pub(super) actions: Vec<(Path, Action)>,
}

/// What an action comes to.
enum Change {
    Put(Value),
    Remove,
    Nothing,
}

fn wrong_type() -> ServiceError {
    invalid("An operand in the update expression has an incorrect data type")
}

fn absent() -> ServiceError {
    invalid("The provided expression refers to an attribute that does not exist in the item")
}

fn invalid_path() -> ServiceError {
    invalid("The document path provided in the update expression is invalid for update")
}

impl Update {
    /// The top-level attributes that it changes.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.actions.iter().map(|(path, _)| path.name.as_str())
    }

    /// Whether it gives no attribute a value.
    pub fn only_removes(&self) -> bool {
        let removes = |action: &Action| matches!(action, Action::Remove | Action::Delete(_));
        self.actions.iter().all(|(_, action)| removes(action))
    }

    /// Exactly the parts that it changes.
    pub fn touched(&self) -> Projection {
        Projection::new(self.actions.iter().map(|(path, _)| path))
    }

    /// The item after the update.
    pub fn apply(&self, item: &Item) -> Result<Item, ServiceError> {
        let mut puts = Vec::new();
        let mut removals = Vec::new();
        for (path, action) in &self.actions {
            match action.change(path, item)? {
                Change::Put(value) => puts.push((path, value)),
                Change::Remove => removals.push(path),
                Change::Nothing => {}
            }
        }
        let mut updated = item.clone();
        // In order, so that what is appended to one list is appended in the order of its indexes.
        puts.sort_by_key(|(path, _)| *path);
        for (path, value) in puts {
            put(&mut updated, path, value)?;
        }
        removals.sort_by_key(|path| Reverse(*path));
        for path in removals {
            remove(&mut updated, path)?;
        }
        Ok(updated)
    }
}

impl Action {
    fn change(&self, path: &Path, item: &Item) -> Result<Change, ServiceError> {
        match self {
            Self::Set(term) => Ok(Change::Put(term.value(item)?)),
            Self::Remove => Ok(Change::Remove),
            Self::Add(value) => match path.get(item) {
                None => Ok(Change::Put(value.clone())),
                Some(old) => Ok(Change::Put(add(old, value)?)),
            },
            Self::Delete(value) => match path.get(item) {
                None => Ok(Change::Nothing),
                Some(old) => Ok(subtract(old, value)?.map_or(Change::Remove, Change::Put)),
            },
        }
    }
}

fn add(old: &Value, value: &Value) -> Result<Value, ServiceError> {
    Ok(match (old, value) {
        (Value::N(old), Value::N(value)) => Value::N(checked(old.plus(value))?),
        (Value::Ss(old), Value::Ss(value)) => Value::Ss(old | value),
        (Value::Ns(old), Value::Ns(value)) => Value::Ns(old | value),
        (Value::Bs(old), Value::Bs(value)) => Value::Bs(old | value),
        _ => return Err(wrong_type()),
    })
}

/// `None` when nothing is left: there are no empty sets.
fn subtract(old: &Value, value: &Value) -> Result<Option<Value>, ServiceError> {
    fn left<T: Ord + Clone>(
        old: &std::collections::BTreeSet<T>,
        value: &std::collections::BTreeSet<T>,
    ) -> Option<std::collections::BTreeSet<T>> {
        Some(old - value).filter(|set| !set.is_empty())
    }
    match (old, value) {
        (Value::Ss(old), Value::Ss(value)) => Ok(left(old, value).map(Value::Ss)),
        (Value::Ns(old), Value::Ns(value)) => Ok(left(old, value).map(Value::Ns)),
        (Value::Bs(old), Value::Bs(value)) => Ok(left(old, value).map(Value::Bs)),
        _ => Err(wrong_type()),
    }
}

fn checked(
    result: Result<Number, crate::value::number::NumberError>,
) -> Result<Number, ServiceError> {
    result.map_err(|error| invalid(error.message()))
}

impl Term {
    fn value(&self, item: &Item) -> Result<Value, ServiceError> {
        match self {
            Self::Path(path) => path.get(item).cloned().ok_or_else(absent),
            Self::Value(value) => Ok(value.clone()),
            Self::Plus(left, right) => {
                let (left, right) = (left.number(item)?, right.number(item)?);
                Ok(Value::N(checked(left.plus(&right))?))
            }
            Self::Minus(left, right) => {
                let (left, right) = (left.number(item)?, right.number(item)?);
                Ok(Value::N(checked(left.minus(&right))?))
            }
            Self::IfNotExists(path, otherwise) => match path.get(item) {
                Some(value) => Ok(value.clone()),
                None => otherwise.value(item),
            },
            Self::ListAppend(left, right) => match (left.value(item)?, right.value(item)?) {
                (Value::L(mut left), Value::L(right)) => {
                    left.extend(right);
                    Ok(Value::L(left))
                }
                _ => Err(wrong_type()),
            },
        }
    }

    fn number(&self, item: &Item) -> Result<Number, ServiceError> {
        match self.value(item)? {
            Value::N(number) => Ok(number),
            _ => Err(wrong_type()),
        }
    }
}

/// The map or list that the last step of a path stands in; `None` for a path of one name.
fn parent<'a>(item: &'a mut Item, path: &Path) -> Result<Option<&'a mut Value>, ServiceError> {
    let Some((_, steps)) = path.rest.split_last() else {
        return Ok(None);
    };
    let mut value = item.get_mut(&path.name).ok_or_else(invalid_path)?;
    for step in steps {
        let inner = match (step, value) {
            (Step::Name(name), Value::M(map)) => map.get_mut(name),
            (Step::Index(index), Value::L(list)) => list.get_mut(*index),
            _ => None,
        };
        value = inner.ok_or_else(invalid_path)?;
    }
    Ok(Some(value))
}

fn put(item: &mut Item, path: &Path, value: Value) -> Result<(), ServiceError> {
    match (parent(item, path)?, path.rest.last()) {
        (Some(Value::M(map)), Some(Step::Name(name))) => {
            map.insert(name.clone(), value);
        }
        (Some(Value::L(list)), Some(Step::Index(index))) => match list.get_mut(*index) {
            Some(place) => *place = value,
            None => list.push(value),
        },
        (None, _) => {
            item.insert(path.name.clone(), value);
        }
        _ => return Err(invalid_path()),
    }
    Ok(())
}

fn remove(item: &mut Item, path: &Path) -> Result<(), ServiceError> {
    match (parent(item, path)?, path.rest.last()) {
        (Some(Value::M(map)), Some(Step::Name(name))) => {
            map.remove(name);
        }
        (Some(Value::L(list)), Some(Step::Index(index))) => {
            if *index < list.len() {
                list.remove(*index);
            }
        }
        (None, _) => {
            item.remove(&path.name);
        }
        _ => return Err(invalid_path()),
    }
    Ok(())
}
