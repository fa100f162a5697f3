//! The AppSpec of a deployment of a function, out of JSON or YAML.

use saphyr_parser::{Event, Parser};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use undercast_kernel::ServiceError;

use super::error::invalid_revision;

const DEPTH_MAX: usize = 20;
const EVENTS_MAX: usize = 10_000;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AppSpec {
    /// Name of the function, without an ARN.
    pub(crate) function: String,
    pub(crate) alias: String,
    pub(crate) current: String,
    pub(crate) target: String,
    /// Names or ARNs of hooks.
    pub(crate) before: Option<String>,
    pub(crate) after: Option<String>,
}

impl AppSpec {
    pub(crate) fn read(text: &str) -> Result<Self, ServiceError> {
        let document = match text.trim_start().starts_with('{') {
            true => serde_json::from_str(text).map_err(|error| error.to_string()),
            false => yaml(text),
        };
        let document = document.map_err(|error| {
            invalid_revision(format!("The AppSpec file cannot be read: {error}"))
        })?;
        let only = |message: &str| invalid_revision(format!("The AppSpec file {message}"));
        let resources = member(&document, "Resources").and_then(Value::as_array);
        let Some([Value::Object(resource)]) = resources.map(Vec::as_slice) else {
            return Err(only("has to list exactly one resource"));
        };
        let mut values = resource.values();
        let (Some(resource), None) = (values.next(), values.next()) else {
            return Err(only("has to name its resource"));
        };
        if member(resource, "Type").and_then(Value::as_str) != Some("AWS::Lambda::Function") {
            return Err(only("has a resource that is not of type AWS::Lambda::Function"));
        }
        let properties = member(resource, "Properties").unwrap_or(&Value::Null);
        let property = |name: &str| {
            let value = member(properties, name).map(text_of).filter(|text| !text.is_empty());
            value.ok_or_else(|| only(&format!("names no {name}")))
        };
        let (mut before, mut after) = (None, None);
        for hook in member(&document, "Hooks").and_then(Value::as_array).into_iter().flatten() {
            for (event, function) in hook.as_object().into_iter().flatten() {
                let function = Some(text_of(function)).filter(|text| !text.is_empty());
                match event.as_str() {
                    "BeforeAllowTraffic" => before = function,
                    "AfterAllowTraffic" => after = function,
                    other => return Err(only(&format!("has a hook {other}"))),
                }
            }
        }
        let name = property("Name")?;
        let name = match name.starts_with("arn:") {
            true => name.split(':').nth(6).unwrap_or_default().to_owned(),
            false => name,
        };
        Ok(Self {
            function: name,
            alias: property("Alias")?,
            current: property("CurrentVersion")?,
            target: property("TargetVersion")?,
            before,
            after,
        })
    }
}

/// By its name in any case of the first letter: both are seen.
fn member<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    let found = value.as_object()?.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value)
}

fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    }
}

/// YAML without tags and aliases; all scalars are text.
fn yaml(text: &str) -> Result<Value, String> {
    let mut stack: Vec<(Value, Option<String>)> = Vec::new();
    let mut root = None;
    for (count, event) in Parser::new_from_str(text).enumerate() {
        let (event, _) = event.map_err(|error| error.to_string())?;
        if count > EVENTS_MAX || stack.len() > DEPTH_MAX {
            return Err("it is too large".to_owned());
        }
        let value = match event {
            Event::Scalar(text, ..) => Value::String(text.into_owned()),
            Event::SequenceStart(..) => {
                stack.push((Value::Array(Vec::new()), None));
                continue;
            }
            Event::MappingStart(..) => {
                stack.push((Value::Object(Map::new()), None));
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => stack.pop().unwrap_or_default().0,
            Event::Alias(_) => return Err("it has an alias".to_owned()),
            _ => continue,
        };
        match stack.last_mut() {
            None => root = Some(value),
            Some((Value::Array(items), _)) => items.push(value),
            Some((Value::Object(map), key)) => match key.take() {
                Some(name) => drop(map.insert(name, value)),
                None => *key = Some(text_of(&value)),
            },
            Some(_) => {}
        }
    }
    root.ok_or_else(|| "it is empty".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yaml_and_json_say_the_same() {
        let yaml = "version: 0.0\nResources:\n  - fn:\n      Type: AWS::Lambda::Function\n      Properties:\n        \
            Name: \"f\"\n        Alias: live\n        CurrentVersion: 1\n        TargetVersion: \"2\"\nHooks:\n  \
            - BeforeAllowTraffic: check\n  - AfterAllowTraffic: look\n";
        let json = r#"{"version": 0.0, "Resources": [{"fn": {"Type": "AWS::Lambda::Function", "Properties":
            {"Name": "f", "Alias": "live", "CurrentVersion": "1", "TargetVersion": 2}}}],
            "Hooks": [{"BeforeAllowTraffic": "check"}, {"AfterAllowTraffic": "look"}]}"#;
        let spec = AppSpec::read(yaml).unwrap();
        assert_eq!(AppSpec::read(json).unwrap(), spec);
        assert_eq!((spec.target.as_str(), spec.before.as_deref()), ("2", Some("check")));
        for broken in ["", "[", "{", "a: *b", "Resources: []", "Resources: [{a: {Type: b}}]"] {
            assert_eq!(AppSpec::read(broken).unwrap_err().code(), "InvalidRevisionException");
        }
    }
}
