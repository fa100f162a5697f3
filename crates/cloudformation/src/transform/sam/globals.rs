//! `Globals`: properties that all resources of a kind have in common.

use serde_json::Value;

use super::document::{Object, is_intrinsic};
use crate::transform::{Budget, weight};

const SECTIONS: &[(&str, &str)] = &[
    ("Api", "AWS::Serverless::Api"),
    ("Function", "AWS::Serverless::Function"),
    ("HttpApi", "AWS::Serverless::HttpApi"),
    ("LayerVersion", "AWS::Serverless::LayerVersion"),
    ("SimpleTable", "AWS::Serverless::SimpleTable"),
    ("StateMachine", "AWS::Serverless::StateMachine"),
];

/// Lays every resource's properties over those of its section.
pub(super) fn apply(globals: Option<&Value>, resources: &mut Object) -> Result<(), String> {
    let Some(globals) = globals.filter(|g| !g.is_null()) else {
        return Ok(());
    };
    let sections = globals
        .as_object()
        .ok_or("'Globals' section is invalid. It must be a non-empty dictionary")?;
    let mut budget = Budget::default();
    for (name, common) in sections {
        let Some((_, kind)) = SECTIONS.iter().find(|(section, _)| section == name) else {
            let names: Vec<String> = SECTIONS.iter().map(|(name, _)| format!("'{name}'")).collect();
            return Err(format!(
                "'Globals' section is invalid. '{name}' is not supported. Must be one of the following values - [{}]",
                names.join(", ")
            ));
        };
        if !common.is_object() {
            return Err("'Globals' section is invalid. Value of ${name} must be a dictionary"
                .replace("${name}", name));
        }
        let cost = weight(common);
        for resource in resources.values_mut() {
            if resource.get("Type").and_then(Value::as_str) != Some(kind) {
                continue;
            }
            budget.spend(cost)?;
            let own = resource.get("Properties").cloned().unwrap_or_default();
            let ignored = resource.get("IgnoreGlobals").cloned().unwrap_or_default();
            let Some(common) = without(common, &ignored) else {
                continue;
            };
            super::document::set(resource, "Properties", merge(&common, own));
        }
    }
    Ok(())
}

/// What of the section a resource does not refuse by `IgnoreGlobals: "*"` or a list of names.
fn without(common: &Value, ignored: &Value) -> Option<Value> {
    if ignored.as_str() == Some("*") {
        return None;
    }
    let mut common = common.clone();
    for name in ignored.as_array().into_iter().flatten().filter_map(Value::as_str) {
        common.as_object_mut().and_then(|members| members.shift_remove(name));
    }
    Some(common)
}

/// Maps are merged, lists are joined, anything else is replaced.
fn merge(common: &Value, own: Value) -> Value {
    match (common, own) {
        (common, Value::Null) => common.clone(),
        (Value::Array(common), Value::Array(own)) => {
            Value::Array(common.iter().cloned().chain(own).collect())
        }
        (Value::Object(members), Value::Object(own))
            if !is_intrinsic(common) && !is_intrinsic(&Value::Object(own.clone())) =>
        {
            let mut merged = members.clone();
            for (name, value) in own {
                let value = match members.get(&name) {
                    Some(common) => merge(common, value),
                    None => value,
                };
                merged.insert(name, value);
            }
            Value::Object(merged)
        }
        (_, own) => own,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn maps_merge_lists_join_and_values_are_replaced() {
        let common = json!({"Timeout": 3, "Layers": ["a"], "Environment": {"Variables": {"A": 1, "B": 1}}, "Role": {"Ref": "R"}});
        let own = json!({"Timeout": 9, "Layers": ["b"], "Environment": {"Variables": {"B": 2}}, "Role": {"Fn::GetAtt": ["Q", "Arn"]}});
        assert_eq!(
            merge(&common, own),
            json!({"Timeout": 9, "Layers": ["a", "b"], "Environment": {"Variables": {"A": 1, "B": 2}}, "Role": {"Fn::GetAtt": ["Q", "Arn"]}})
        );
    }

    #[test]
    fn a_resource_may_ignore_globals() {
        let mut resources = json!({
            "A": {"Type": "AWS::Serverless::Function", "IgnoreGlobals": ["Timeout"]},
            "B": {"Type": "AWS::Serverless::Function", "IgnoreGlobals": "*"},
        });
        let globals = json!({"Function": {"Timeout": 9, "MemorySize": 512}});
        apply(Some(&globals), resources.as_object_mut().unwrap()).unwrap();
        assert_eq!(resources["A"]["Properties"], json!({"MemorySize": 512}));
        assert!(resources["B"].get("Properties").is_none());
        let wrong = apply(Some(&json!({"Table": {}})), resources.as_object_mut().unwrap());
        assert!(wrong.unwrap_err().contains("'Table' is not supported"));
    }
}
