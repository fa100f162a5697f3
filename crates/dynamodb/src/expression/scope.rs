//! What `#names` and `:values` in an expression stand for, and which of them were used.

use std::collections::{BTreeMap, BTreeSet};

use undercast_kernel::ServiceError;

use super::Kind;
use crate::api::dynamodb::shapes::AttributeValue;
use crate::error::invalid;
use crate::value::{Item, Value, from_wire};

#[derive(Debug, Default)]
pub struct Scope {
    names: BTreeMap<String, String>,
    values: BTreeMap<String, Value>,
    used: BTreeSet<String>,
    /// For fuzzing: unknown references stand for something.
    lenient: Option<Value>,
}

impl Scope {
    /// `has_expressions`: whether the request has any expression that these could be used in;
    /// `expression` names the one that is missing where there is only one.
    pub fn new(
        names: Option<BTreeMap<String, String>>,
        values: Option<BTreeMap<String, AttributeValue>>,
        has_expressions: bool,
        expression: Option<&str>,
    ) -> Result<Self, ServiceError> {
        let missing = |what: &str| {
            let which = expression.map_or(String::new(), |name| format!(": {name} is null"));
            invalid(format!("{what} can only be specified when using expressions{which}"))
        };
        if names.is_some() && !has_expressions {
            return Err(missing("ExpressionAttributeNames"));
        }
        if values.is_some() && !has_expressions {
            return Err(missing("ExpressionAttributeValues"));
        }
        let names = names.map(check_names).transpose()?.unwrap_or_default();
        let values = values.map(read_values).transpose()?.unwrap_or_default();
        Ok(Self { names, values, used: BTreeSet::new(), lenient: None })
    }

    pub(super) fn lenient(item: &Item) -> Self {
        let value = item.values().next().cloned();
        Self { lenient: Some(value.unwrap_or(Value::Null)), ..Self::default() }
    }

    pub(super) fn name(&mut self, kind: Kind, reference: &str) -> Result<String, ServiceError> {
        match self.names.get(reference) {
            Some(name) => {
                let name = name.clone();
                self.used.insert(reference.to_owned());
                Ok(name)
            }
            None if self.lenient.is_some() => Ok(reference.trim_start_matches('#').to_owned()),
            None => Err(kind.error(format!(
                "An expression attribute name used in the document path is not defined; attribute name: {reference}"
            ))),
        }
    }

    pub(super) fn value(&mut self, kind: Kind, reference: &str) -> Result<Value, ServiceError> {
        match self.values.get(reference) {
            Some(value) => {
                let value = value.clone();
                self.used.insert(reference.to_owned());
                Ok(value)
            }
            None => self.lenient.clone().ok_or_else(|| {
                kind.error(format!(
                    "An expression attribute value used in expression is not defined; attribute value: {reference}"
                ))
            }),
        }
    }

    /// What nobody used is an error: call this when all expressions are read.
    pub fn finish(&self) -> Result<(), ServiceError> {
        let unused = |what: &str, keys: Vec<&str>| match keys.as_slice() {
            [] => Ok(()),
            keys => Err(invalid(format!(
                "Value provided in {what} unused in expressions: keys: {{{}}}",
                keys.join(", ")
            ))),
        };
        let left = |key: &&String| !self.used.contains(*key);
        let names = self.names.keys().filter(left).map(String::as_str);
        unused("ExpressionAttributeNames", names.collect())?;
        let values = self.values.keys().filter(left).map(String::as_str);
        unused("ExpressionAttributeValues", values.collect())
    }
}

fn is_reference(key: &str, sign: char) -> bool {
    let rest = key.strip_prefix(sign).unwrap_or_default();
    !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

fn check_names(names: BTreeMap<String, String>) -> Result<BTreeMap<String, String>, ServiceError> {
    if names.is_empty() {
        return Err(invalid("ExpressionAttributeNames must not be empty"));
    }
    for (key, name) in &names {
        if !is_reference(key, '#') {
            return Err(invalid(format!(
                "ExpressionAttributeNames contains invalid key: Syntax error; key: \"{key}\""
            )));
        }
        if name.is_empty() {
            return Err(invalid(format!(
                "ExpressionAttributeNames contains invalid value: Empty attribute name for key {key}"
            )));
        }
    }
    Ok(names)
}

fn read_values(
    values: BTreeMap<String, AttributeValue>,
) -> Result<BTreeMap<String, Value>, ServiceError> {
    if values.is_empty() {
        return Err(invalid("ExpressionAttributeValues must not be empty"));
    }
    let read = |(key, value): (String, AttributeValue)| {
        if !is_reference(&key, ':') {
            return Err(invalid(format!(
                "ExpressionAttributeValues contains invalid key: Syntax error; key: \"{key}\""
            )));
        }
        let value = from_wire(value).map_err(|error| {
            invalid(format!(
                "ExpressionAttributeValues contains invalid value: {} for key {key}",
                error.message()
            ))
        })?;
        Ok((key, value))
    };
    values.into_iter().map(read).collect()
}
