//! Parameter values: defaults, types and constraints, with AWS's wording.

use std::collections::BTreeMap;

use undercast_smithy::Document;

use super::Error;
use super::model::{ParameterDefinition, Template, plain};

/// What a caller gives for one parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Given {
    Value(String),
    /// The value that the stack has.
    Previous,
}

/// The text of each parameter after defaults and previous values, checked against its constraints.
/// Values of SSM types are still names here.
pub fn check(
    template: &Template,
    given: &BTreeMap<String, Given>,
    previous: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, Error> {
    let unknown: Vec<&str> = given
        .keys()
        .map(String::as_str)
        .filter(|n| !template.parameters.contains_key(*n))
        .collect();
    if !unknown.is_empty() {
        return Err(Error(format!(
            "Parameters: [{}] do not exist in the template",
            unknown.join(", ")
        )));
    }
    let mut values = BTreeMap::new();
    let mut missing = Vec::new();
    for (name, definition) in &template.parameters {
        let value = match given.get(name) {
            Some(Given::Value(value)) => Some(value.clone()),
            Some(Given::Previous) => previous.get(name).cloned(),
            None => definition.default.as_ref().map(default_text),
        };
        match value {
            Some(value) => {
                constrain(name, definition, &value)?;
                values.insert(name.clone(), value);
            }
            None => missing.push(name.as_str()),
        }
    }
    if missing.is_empty() {
        Ok(values)
    } else {
        Err(Error(format!("Parameters: [{}] must have values", missing.join(", "))))
    }
}

fn default_text(default: &Document) -> String {
    match default {
        Document::Array(values) => values.iter().map(plain).collect::<Vec<_>>().join(","),
        other => plain(other),
    }
}

fn constrain(name: &str, definition: &ParameterDefinition, value: &str) -> Result<(), Error> {
    let fail = |message: String| match &definition.constraint_description {
        Some(description) => {
            Err(Error(format!("Parameter {name} failed to satisfy constraint: {description}")))
        }
        None => Err(Error(message)),
    };
    if !definition.allowed_values.is_empty() {
        let is_list =
            definition.kind == "CommaDelimitedList" || definition.kind.starts_with("List<");
        let parts: Vec<&str> =
            if is_list { value.split(',').map(str::trim).collect() } else { vec![value] };
        if !parts.iter().all(|part| definition.allowed_values.iter().any(|a| a == part)) {
            return fail(format!("Parameter '{name}' must be one of AllowedValues"));
        }
    }
    if let Some(pattern) = &definition.allowed_pattern {
        let regex = regex::Regex::new(&format!("^(?:{pattern})$"));
        if regex.is_ok_and(|regex| !regex.is_match(value)) {
            return fail(format!("Parameter '{name}' must match pattern {pattern}"));
        }
    }
    let length = i64::try_from(value.chars().count()).unwrap_or(i64::MAX);
    if let Some(min) = definition.min_length.filter(|min| length < *min) {
        return fail(format!("Parameter '{name}' must contain at least {min} characters"));
    }
    if let Some(max) = definition.max_length.filter(|max| length > *max) {
        return fail(format!("Parameter '{name}' must contain at most {max} characters"));
    }
    if definition.kind == "Number" {
        let Ok(number) = value.parse::<f64>() else {
            return fail(format!("Parameter '{name}' must be a number"));
        };
        if let Some(min) = definition.min_value.filter(|min| number < *min) {
            return fail(format!("Parameter '{name}' must be a number not less than {min}"));
        }
        if let Some(max) = definition.max_value.filter(|max| number > *max) {
            return fail(format!("Parameter '{name}' must be a number not greater than {max}"));
        }
    }
    Ok(())
}

/// The parameters whose value is the name of an SSM parameter, with the type behind it.
pub fn ssm_type(kind: &str) -> Option<&str> {
    kind.strip_prefix("AWS::SSM::Parameter::Value<")?.strip_suffix('>')
}

/// What `Ref` gives for a value of the type: a list for the list types, text for all others.
pub fn typed(kind: &str, value: &str) -> Document {
    let kind = ssm_type(kind).unwrap_or(kind);
    if kind == "CommaDelimitedList" || kind.starts_with("List<") {
        return value.split(',').map(|v| Document::from(v.trim())).collect::<Vec<_>>().into();
    }
    value.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(parameters: &str) -> Template {
        let text = format!(
            "{{\"Parameters\": {parameters}, \"Resources\": {{\"A\": {{\"Type\": \"X\"}}}}}}"
        );
        Template::parse(&text).unwrap()
    }

    #[test]
    fn defaults_previous_values_and_constraints() {
        let t = template(
            r#"{"A": {"Type": "String", "Default": "x", "AllowedValues": ["x", "y"]}, "N": {"Type": "Number", "MinValue": 3}}"#,
        );
        let none = BTreeMap::new();
        let given =
            |value: &str| BTreeMap::from([("N".to_owned(), Given::Value(value.to_owned()))]);
        assert_eq!(
            check(&t, &none, &BTreeMap::new()).unwrap_err().0,
            "Parameters: [N] must have values"
        );
        let previous = BTreeMap::from([("N".to_owned(), "9".to_owned())]);
        let used = check(&t, &[("N".to_owned(), Given::Previous)].into(), &previous).unwrap();
        assert_eq!(
            used,
            [("A".to_owned(), "x".to_owned()), ("N".to_owned(), "9".to_owned())].into()
        );
        assert_eq!(
            check(&t, &given("2"), &previous).unwrap_err().0,
            "Parameter 'N' must be a number not less than 3"
        );
        assert_eq!(
            check(&t, &given("q"), &previous).unwrap_err().0,
            "Parameter 'N' must be a number"
        );
        let unknown = BTreeMap::from([("Z".to_owned(), Given::Value(String::new()))]);
        assert_eq!(
            check(&t, &unknown, &previous).unwrap_err().0,
            "Parameters: [Z] do not exist in the template"
        );
    }

    #[test]
    fn lists_are_split() {
        assert_eq!(typed("CommaDelimitedList", "a, b"), serde_json::json!(["a", "b"]));
        assert_eq!(
            typed("AWS::SSM::Parameter::Value<List<String>>", "a,b"),
            serde_json::json!(["a", "b"])
        );
        assert_eq!(typed("String", "a,b"), serde_json::json!("a,b"));
    }
}
