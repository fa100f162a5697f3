//! `vendor-model`: takes a service model as the botocore package carries it and keeps the facts:
//! names, types, traits. Documentation and everything that only a client needs is left out.

use std::io::Read;
use std::path::Path;

use flate2::read::GzDecoder;
use serde_json::{Map, Value};

use crate::{Failure, write};

const METADATA: &[&str] = &[
    "apiVersion",
    "endpointPrefix",
    "jsonVersion",
    "protocol",
    "protocols",
    "serviceId",
    "signingName",
    "targetPrefix",
    "xmlNamespace",
    "awsQueryCompatible",
];
const OPERATION: &[&str] = &["name", "http", "input", "output", "errors", "endpoint", "authtype"];
const SHAPE: &[&str] = &[
    "type",
    "required",
    "members",
    "member",
    "key",
    "value",
    "min",
    "max",
    "pattern",
    "enum",
    "payload",
    "locationName",
    "xmlNamespace",
    "flattened",
    "timestampFormat",
    "sensitive",
    "exception",
    "fault",
    "error",
    "union",
    "streaming",
    "eventstream",
    "event",
    "document",
];
const MEMBER: &[&str] = &[
    "shape",
    "location",
    "locationName",
    "xmlNamespace",
    "flattened",
    "xmlAttribute",
    "idempotencyToken",
    "jsonvalue",
    "streaming",
    "timestampFormat",
    "eventpayload",
];

pub(crate) fn run(root: &Path, data: &Path, models: &[&str]) -> Result<String, Failure> {
    for model in models {
        let source = newest(&data.join(model))?;
        let model_json = load(&source)?;
        let trimmed = trim(&model_json);
        write(&root.join("models").join(format!("{model}.json")), &print(&trimmed))?;
    }
    Ok(format!("{} models vendored", models.len()))
}

/// The newest API version's model file of a service folder.
fn newest(folder: &Path) -> Result<std::path::PathBuf, Failure> {
    let entries = std::fs::read_dir(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let mut versions: Vec<_> = entries.flatten().map(|e| e.path()).collect();
    versions.sort();
    versions
        .iter()
        .rev()
        .flat_map(|v| [v.join("service-2.json.gz"), v.join("service-2.json")])
        .find(|path| path.exists())
        .ok_or_else(|| format!("{}: no model", folder.display()))
}

fn load(path: &Path) -> Result<Value, Failure> {
    let bytes = std::fs::read(path).map_err(|e| format!("{}: {e}", path.display()))?;
    let mut text = String::new();
    if path.extension().is_some_and(|e| e == "gz") {
        GzDecoder::new(bytes.as_slice()).read_to_string(&mut text).map_err(|e| e.to_string())?;
    } else {
        text = String::from_utf8(bytes).map_err(|e| e.to_string())?;
    }
    serde_json::from_str(&text).map_err(|e| e.to_string())
}

fn keep(value: &Value, keys: &[&str]) -> Map<String, Value> {
    let object = value.as_object();
    let pairs = keys.iter().filter_map(|k| Some(((*k).to_owned(), object?.get(*k)?.clone())));
    pairs.collect()
}

fn trim(model: &Value) -> Value {
    let each = |section: &str, trim: &dyn Fn(&Value) -> Value| -> Value {
        let entries = model.get(section).and_then(Value::as_object).into_iter().flatten();
        let mut sorted: Vec<_> = entries.map(|(k, v)| (k.clone(), trim(v))).collect();
        sorted.sort_by(|a, b| a.0.cmp(&b.0));
        Value::Object(sorted.into_iter().collect())
    };
    let mut out = Map::new();
    out.insert(
        "metadata".to_owned(),
        keep(model.get("metadata").unwrap_or(&Value::Null), METADATA).into(),
    );
    out.insert("operations".to_owned(), each("operations", &trim_operation));
    out.insert("shapes".to_owned(), each("shapes", &trim_shape));
    Value::Object(out)
}

fn trim_operation(operation: &Value) -> Value {
    let mut out = keep(operation, OPERATION);
    if let Some(Value::Array(errors)) = out.get_mut("errors") {
        for error in errors {
            *error = keep(error, &["shape"]).into();
        }
    }
    for side in ["input", "output"] {
        if let Some(value) = out.get_mut(side) {
            *value =
                keep(value, &["shape", "resultWrapper", "locationName", "xmlNamespace"]).into();
        }
    }
    Value::Object(out)
}

fn trim_shape(shape: &Value) -> Value {
    let mut out = keep(shape, SHAPE);
    if let Some(Value::Object(members)) = out.get_mut("members") {
        for member in members.values_mut() {
            *member = keep(member, MEMBER).into();
        }
    }
    for part in ["member", "key", "value"] {
        if let Some(member) = out.get_mut(part) {
            *member = keep(member, MEMBER).into();
        }
    }
    Value::Object(out)
}

/// One line for each operation and each shape, so that differences can be read.
fn print(model: &Value) -> String {
    let mut text = String::from("{\n");
    let metadata = model.get("metadata").unwrap_or(&Value::Null);
    text.push_str(&format!("\"metadata\": {metadata},\n"));
    for (section, last) in [("operations", false), ("shapes", true)] {
        text.push_str(&format!("\"{section}\": {{\n"));
        let entries = model.get(section).and_then(Value::as_object);
        let lines: Vec<_> =
            entries.into_iter().flatten().map(|(k, v)| format!("\"{k}\": {v}")).collect();
        text.push_str(&lines.join(",\n"));
        text.push_str(if last { "\n}\n}\n" } else { "\n},\n" });
    }
    text
}
