//! Building and reading pieces of templates.

use serde_json::{Map, Value, json};
use sha1::{Digest, Sha1};

pub(super) type Object = Map<String, Value>;

pub(super) fn reference(id: &str) -> Value {
    json!({"Ref": id})
}

pub(super) fn attribute(id: &str, name: &str) -> Value {
    json!({"Fn::GetAtt": [id, name]})
}

pub(super) fn sub(text: impl Into<String>) -> Value {
    json!({"Fn::Sub": text.into()})
}

/// The members that are there.
pub(super) fn object<const N: usize>(members: [(&str, Option<Value>); N]) -> Value {
    let members = members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(members.filter(|(_, value)| !value.is_null()).collect())
}

pub(super) fn resource(kind: &str, properties: Value) -> Value {
    json!({"Type": kind, "Properties": properties})
}

/// The members of `from` that `names` lists, under the same names.
pub(super) fn copy(from: &Object, to: &mut Value, names: &[&str]) {
    for name in names {
        if let Some(value) = from.get(*name).filter(|v| !v.is_null()) {
            set(to, name, value.clone());
        }
    }
}

pub(super) fn set(to: &mut Value, name: &str, value: Value) {
    if let Value::Object(members) = to {
        members.insert(name.to_owned(), value);
    }
}

/// Adds to a list member, which a single value may stand for.
pub(super) fn push(to: &mut Value, name: &str, value: Value) {
    let mut list = match to.get(name).cloned() {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(list)) => list,
        Some(one) => vec![one],
    };
    if !list.contains(&value) {
        list.push(value);
    }
    set(to, name, Value::Array(list));
}

/// The member `name` as an object to write into.
pub(super) fn member<'a>(of: &'a mut Value, name: &str) -> Option<&'a mut Value> {
    let members = of.as_object_mut()?;
    let value = members.entry(name).or_insert_with(|| json!({}));
    if value.is_null() {
        *value = json!({});
    }
    Some(value)
}

/// One value or a list of them.
pub(super) fn list(value: Option<&Value>) -> Vec<Value> {
    match value {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(values)) => values.clone(),
        Some(one) => vec![one.clone()],
    }
}

/// `Ref`, `Fn::…` or `Condition`, and nothing else.
pub(super) fn is_intrinsic(value: &Value) -> bool {
    value.as_object().is_some_and(|o| {
        o.len() == 1 && o.keys().all(|k| k == "Ref" || k == "Condition" || k.starts_with("Fn::"))
    })
}

/// The logical id that `Ref` or `Fn::GetAtt` names, or the text itself.
pub(super) fn target(value: &Value) -> Option<&str> {
    match value {
        Value::String(text) => Some(text),
        Value::Object(members) => match (members.get("Ref"), members.get("Fn::GetAtt")) {
            (Some(id), _) => id.as_str(),
            (_, Some(Value::Array(path))) => path.first()?.as_str(),
            (_, Some(Value::String(path))) => path.split('.').next(),
            _ => None,
        },
        _ => None,
    }
}

/// A map of tags as the list that resources take, after SAM's own.
pub(super) fn tags(own: &str, given: Option<&Value>) -> Value {
    let mut tags = vec![json!({"Key": own, "Value": "SAM"})];
    for (key, value) in given.and_then(Value::as_object).into_iter().flatten() {
        tags.push(json!({"Key": key, "Value": value}));
    }
    Value::Array(tags)
}

/// Forty hexadecimal digits that stand for a value.
pub(super) fn digest(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    hex::encode(Sha1::digest(text.as_bytes()))
}

/// The ten of them that are part of logical ids.
pub(super) fn suffix(value: &Value) -> String {
    digest(value).chars().take(10).collect()
}

pub(super) fn alphanumeric(text: &str) -> String {
    text.chars().filter(char::is_ascii_alphanumeric).collect()
}

/// `s3://bucket/key`, or the members of an S3 location, as `{S3Bucket, S3Key, S3ObjectVersion}` under
/// the names given.
pub(super) fn location(value: &Value, property: &str, names: [&str; 3]) -> Result<Value, String> {
    let [bucket, key, version] = names;
    let wrong = || {
        format!(
            "'{property}' is not a valid S3 Uri of the form 's3://bucket/key' with optional versionId query parameter."
        )
    };
    match value {
        Value::String(uri) => {
            let rest = uri.strip_prefix("s3://").ok_or_else(wrong)?;
            let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
            let (in_bucket, with_key) = path.split_once('/').ok_or_else(wrong)?;
            if in_bucket.is_empty() || with_key.is_empty() {
                return Err(wrong());
            }
            let number = query.strip_prefix("versionId=").map(|v| json!(v));
            Ok(object([
                (bucket, Some(json!(in_bucket))),
                (key, Some(json!(with_key))),
                (version, number),
            ]))
        }
        Value::Object(members) if !is_intrinsic(value) => {
            if members.get("Bucket").is_none() || members.get("Key").is_none() {
                return Err(format!(
                    "'{property}' requires Bucket and Key properties to be specified."
                ));
            }
            Ok(object([
                (bucket, members.get("Bucket").cloned()),
                (key, members.get("Key").cloned()),
                (version, members.get("Version").cloned()),
            ]))
        }
        _ => Err(wrong()),
    }
}
