//! Transforms: what a template is turned into before it is a stack.
//!
//! Pure functions over documents. `AWS::Include` needs objects from S3: [`include`] says which, and puts
//! them in place.

pub mod include;
pub mod language;
pub mod sam;

use std::collections::BTreeMap;

use serde_json::Value;

/// The transforms that are known, in the order of a template's `Transform`.
pub const KNOWN: &[&str] = &[include::NAME, language::NAME, sam::NAME];

/// The values of parameters: given ones, or defaults.
pub type Values = BTreeMap<String, String>;

/// The function that calls a transform from within a template.
pub const CALL: &str = "Fn::Transform";

/// How large a template may become: what is copied many times is counted before it is copied.
#[derive(Debug)]
pub struct Budget {
    left: usize,
}

/// Values and bytes, a few times what a template may have to begin with.
const BUDGET: usize = 4_000_000;

impl Default for Budget {
    fn default() -> Self {
        Self { left: BUDGET }
    }
}

impl Budget {
    pub(crate) fn spend(&mut self, amount: usize) -> Result<(), String> {
        let left = self.left.checked_sub(amount);
        self.left = left.ok_or("The processed template is larger than the limit.")?;
        Ok(())
    }
}

/// What a value costs.
pub(crate) fn weight(value: &Value) -> usize {
    match value {
        Value::String(text) => 1 + text.len(),
        Value::Array(values) => 1 + values.iter().map(weight).sum::<usize>(),
        Value::Object(members) => {
            1 + members.iter().map(|(name, value)| name.len() + weight(value)).sum::<usize>()
        }
        _ => 1,
    }
}

/// The names in `Transform`; an `AWS::Include` with parameters is an object.
pub fn declared(document: &Value) -> Vec<Value> {
    match document.get("Transform") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(names)) => names.clone(),
        Some(name) => vec![name.clone()],
    }
}

pub fn name(transform: &Value) -> Option<&str> {
    transform.as_str().or_else(|| transform.get("Name")?.as_str())
}

/// Whether anything has to be run, be it by the template or somewhere within it.
pub fn wanted(document: &Value) -> bool {
    !declared(document).is_empty() || calls(document)
}

fn calls(value: &Value) -> bool {
    match value {
        Value::Array(values) => values.iter().any(calls),
        Value::Object(members) => members.contains_key(CALL) || members.values().any(calls),
        _ => false,
    }
}

/// The innermost call of a transform, as a JSON pointer to what it stands in.
pub fn innermost(value: &Value) -> Option<String> {
    let below = |(name, value): (String, &Value)| {
        let name = name.replace('~', "~0").replace('/', "~1");
        innermost(value).map(|rest| format!("/{name}{rest}"))
    };
    match value {
        Value::Array(values) => {
            values.iter().enumerate().find_map(|(at, value)| below((at.to_string(), value)))
        }
        Value::Object(members) => {
            let within = members.iter().find_map(|(name, value)| below((name.clone(), value)));
            within.or_else(|| members.contains_key(CALL).then(String::new))
        }
        _ => None,
    }
}

/// Runs everything that needs nothing but the document. The error is the whole message.
pub fn run(document: &Value, values: &Values) -> Result<Value, String> {
    let mut document = document.clone();
    for transform in declared(&document) {
        document = apply(name(&transform).unwrap_or_default(), &document, values)?;
    }
    Ok(without_transforms(document))
}

/// Whether a transform is AWS's own, and not a macro.
pub fn is_own(name: &str) -> bool {
    name.starts_with("AWS::")
}

/// Runs one of AWS's own transforms over the whole template.
pub fn apply(name: &str, document: &Value, values: &Values) -> Result<Value, String> {
    let done = match name {
        sam::NAME => sam::translate(document, values),
        language::NAME => language::extend(document, values),
        include::NAME => Ok(document.clone()),
        name if is_own(name) => {
            return Err(format!("Transform {name} is not implemented by Undercast"));
        }
        name => return Err(format!("No transform named {name} found.")),
    };
    done.map_err(|message| format!("Transform {name} failed with: {message}"))
}

pub fn without_transforms(mut document: Value) -> Value {
    if let Value::Object(root) = &mut document {
        root.shift_remove("Transform");
    }
    document
}
