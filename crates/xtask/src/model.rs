//! A trimmed API model and what we want of it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use crate::{Failure, read};

/// `models/<id>.toml`: which operations are implemented, where the code goes, what the model gets
/// wrong.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    /// The folder under `crates/`.
    #[serde(rename = "crate")]
    pub(crate) krate: String,
    pub(crate) operations: Vec<String>,
    /// Codes of errors in the query protocol, by shape.
    #[serde(default)]
    pub(crate) query_codes: BTreeMap<String, String>,
    /// Names of members in the query protocol, by `Shape.Member`.
    #[serde(default)]
    pub(crate) query_names: BTreeMap<String, String>,
    /// Further protocols that old clients speak: `json`, `query`.
    #[serde(default)]
    pub(crate) also: Vec<String>,
    /// Patterns that the service does not check, or words differently: by shape.
    #[serde(default)]
    pub(crate) no_pattern: Vec<String>,
    /// Enumerations that the service does not check: by shape.
    #[serde(default)]
    pub(crate) open_enums: Vec<String>,
    /// Lengths and ranges that the service checks by itself, with words of its own: by shape.
    #[serde(default)]
    pub(crate) no_bounds: Vec<String>,
    /// Required members that the service checks by itself: `Shape.Member`.
    #[serde(default)]
    pub(crate) not_required: Vec<String>,
}

#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) id: String,
    pub(crate) wanted: Wanted,
    pub(crate) json: Value,
}

impl Model {
    pub(crate) fn load(root: &Path, id: &str) -> Result<Self, Failure> {
        let folder = root.join("models");
        let wanted = toml::from_str(&read(&folder.join(format!("{id}.toml")))?)
            .map_err(|e| format!("models/{id}.toml: {e}"))?;
        let json = serde_json::from_str(&read(&folder.join(format!("{id}.json")))?)
            .map_err(|e| format!("models/{id}.json: {e}"))?;
        let model = Self { id: id.to_owned(), wanted, json };
        for operation in &model.wanted.operations {
            if model.operation(operation).is_none() {
                return Err(format!("models/{id}.toml: the model has no operation {operation}"));
            }
        }
        Ok(model)
    }

    pub(crate) fn metadata(&self, key: &str) -> Option<&str> {
        self.json.get("metadata")?.get(key)?.as_str()
    }

    pub(crate) fn operation(&self, name: &str) -> Option<&Value> {
        self.json.get("operations")?.get(name)
    }

    pub(crate) fn operations(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.json.get("operations").and_then(Value::as_object).into_iter().flatten()
    }

    pub(crate) fn shape(&self, name: &str) -> Result<&Value, Failure> {
        self.json
            .get("shapes")
            .and_then(|s| s.get(name))
            .ok_or_else(|| format!("{}: the model has no shape {name}", self.id))
    }

    /// The shapes that the wanted operations and their errors reach.
    pub(crate) fn closure(&self) -> Result<BTreeSet<String>, Failure> {
        let mut closure = BTreeSet::new();
        for name in &self.wanted.operations {
            let Some(operation) = self.operation(name) else {
                continue;
            };
            for side in ["input", "output"] {
                if let Some(shape) = operation.get(side).and_then(|s| text(s, "shape")) {
                    self.reach(shape, &mut closure)?;
                }
            }
            for error in list(operation, "errors") {
                if let Some(shape) = text(error, "shape") {
                    self.reach(shape, &mut closure)?;
                }
            }
        }
        Ok(closure)
    }

    fn reach(&self, name: &str, closure: &mut BTreeSet<String>) -> Result<(), Failure> {
        if !closure.insert(name.to_owned()) {
            return Ok(());
        }
        let shape = self.shape(name)?;
        let members = shape.get("members").and_then(Value::as_object);
        let parts = ["member", "key", "value"].iter().filter_map(|p| shape.get(*p));
        for member in members.into_iter().flat_map(|m| m.values()).chain(parts) {
            if let Some(target) = text(member, "shape") {
                self.reach(target, closure)?;
            }
        }
        Ok(())
    }
}

pub(crate) fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key)?.as_str()
}

pub(crate) fn flag(value: &Value, key: &str) -> bool {
    value.get(key).and_then(Value::as_bool).unwrap_or(false)
}

pub(crate) fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The ids of all models, in order.
pub(crate) fn all(root: &Path) -> Result<Vec<String>, Failure> {
    let folder = std::fs::read_dir(root.join("models")).map_err(|e| e.to_string())?;
    let mut ids: Vec<String> = folder
        .flatten()
        .filter_map(|e| Some(e.file_name().to_str()?.strip_suffix(".toml")?.to_owned()))
        .collect();
    ids.sort();
    Ok(ids)
}
