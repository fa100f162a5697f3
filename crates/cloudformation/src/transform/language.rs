//! `AWS::LanguageExtensions`: `Fn::ForEach`, `Fn::Length`, `Fn::ToJsonString` and defaults of
//! `Fn::FindInMap`.

use serde_json::{Map, Value, json};

use super::{Budget, Values, weight};

pub const NAME: &str = "AWS::LanguageExtensions";
const FOR_EACH: &str = "Fn::ForEach::";

pub fn extend(document: &Value, values: &Values) -> Result<Value, String> {
    let mut document = document.clone();
    let mut budget = Budget::default();
    let mappings = document.get("Mappings").cloned().unwrap_or_default();
    for section in ["Conditions", "Resources", "Outputs"] {
        if let Some(value) = document.get_mut(section) {
            *value = unroll(value, values, &[], &mut budget)?;
            evaluate(value, values, &mappings, &mut budget)?;
        }
    }
    Ok(document)
}

type Bound<'a> = [(&'a str, &'a str)];

/// Replaces loops by what they make, and loop variables by what they stand for.
fn unroll(
    value: &Value,
    values: &Values,
    bound: &Bound<'_>,
    budget: &mut Budget,
) -> Result<Value, String> {
    budget.spend(1)?;
    match value {
        Value::String(text) => Ok(json!(filled(text, bound, budget)?)),
        Value::Array(list) => list
            .iter()
            .map(|v| unroll(v, values, bound, budget))
            .collect::<Result<_, _>>()
            .map(Value::Array),
        Value::Object(members) => {
            if let (1, Some(name)) = (members.len(), members.get("Ref").and_then(Value::as_str))
                && let Some((_, value)) = bound.iter().find(|(variable, _)| *variable == name)
            {
                return Ok(json!(value));
            }
            let mut out = Map::new();
            for (name, value) in members {
                if name.starts_with(FOR_EACH) {
                    each(name, value, (values, bound), &mut out, budget)?;
                } else {
                    let name = filled(name, bound, budget)?;
                    out.insert(name, unroll(value, values, bound, budget)?);
                }
            }
            Ok(Value::Object(out))
        }
        other => Ok(other.clone()),
    }
}

fn filled(text: &str, bound: &Bound<'_>, budget: &mut Budget) -> Result<String, String> {
    budget.spend(text.len())?;
    let mut text = text.to_owned();
    for (name, value) in bound {
        let plain: String = value.chars().filter(char::is_ascii_alphanumeric).collect();
        for (mark, value) in [('$', *value), ('&', plain.as_str())] {
            let place = format!("{mark}{{{name}}}");
            budget.spend(text.matches(&place).count() * value.len())?;
            text = text.replace(&place, value);
        }
    }
    Ok(text)
}

fn each(
    name: &str,
    given: &Value,
    (values, bound): (&Values, &Bound<'_>),
    out: &mut Map<String, Value>,
    budget: &mut Budget,
) -> Result<(), String> {
    let wrong = || format!("{name} layout is incorrect");
    let parts = given.as_array().map(Vec::as_slice).unwrap_or_default();
    let [Value::String(variable), collection, body @ Value::Object(_)] = parts else {
        return Err(wrong());
    };
    let collection = unroll(collection, values, bound, budget)?;
    for item in items(&collection, values).ok_or_else(wrong)? {
        let inner: Vec<(&str, &str)> =
            bound.iter().copied().chain([(variable.as_str(), item.as_str())]).collect();
        if let Value::Object(made) = unroll(body, values, &inner, budget)? {
            out.extend(made);
        }
    }
    Ok(())
}

/// The members of a list, or of a parameter that is one.
fn items(value: &Value, values: &Values) -> Option<Vec<String>> {
    let listed = |name: &str| -> Option<Vec<String>> {
        let text = values.get(name)?;
        Some(text.split(',').map(|item| item.trim().to_owned()).filter(|i| !i.is_empty()).collect())
    };
    match value {
        Value::Array(list) => {
            let mut all = Vec::new();
            for item in list {
                match item {
                    Value::String(text) => all.push(text.clone()),
                    Value::Object(call) => all.extend(listed(call.get("Ref")?.as_str()?)?),
                    other => all.push(other.to_string()),
                }
            }
            Some(all)
        }
        Value::Object(call) => listed(call.get("Ref")?.as_str()?),
        _ => None,
    }
}

fn evaluate(
    value: &mut Value,
    values: &Values,
    mappings: &Value,
    budget: &mut Budget,
) -> Result<(), String> {
    match value {
        Value::Array(list) => {
            list.iter_mut().try_for_each(|v| evaluate(v, values, mappings, budget))?
        }
        Value::Object(members) => {
            members.values_mut().try_for_each(|v| evaluate(v, values, mappings, budget))?;
        }
        _ => return Ok(()),
    }
    let call = value.as_object().filter(|o| o.len() == 1).and_then(|o| o.iter().next());
    let Some((function, argument)) = call else {
        return Ok(());
    };
    let result = match function.as_str() {
        "Fn::Length" => {
            let count = items(argument, values)
                .ok_or("Fn::Length expects a list or a Ref to a list parameter")?;
            Some(json!(count.len()))
        }
        "Fn::ToJsonString" => Some(to_json(argument)),
        "Fn::FindInMap" => find(argument, values, mappings),
        _ => None,
    };
    if let Some(result) = result {
        // Text within text within text doubles its escapes every time.
        budget.spend(weight(&result))?;
        *value = result;
    }
    Ok(())
}

/// The text, with functions in it left to `Fn::Sub`.
fn to_json(argument: &Value) -> Value {
    let mut argument = argument.clone();
    let mut found = Map::new();
    lift(&mut argument, &mut found);
    if found.is_empty() {
        return json!(argument.to_string());
    }
    let mut text = argument.to_string().replace("${", "${!");
    for name in found.keys() {
        text = text.replace(&format!("${{!{name}}}"), &format!("${{{name}}}"));
    }
    json!({"Fn::Sub": [text, found]})
}

fn lift(value: &mut Value, found: &mut Map<String, Value>) {
    let is_call = value
        .as_object()
        .is_some_and(|o| o.len() == 1 && o.keys().all(|k| k == "Ref" || k.starts_with("Fn::")));
    if is_call {
        let name = format!("Json{}", found.len());
        found.insert(name.clone(), std::mem::take(value));
        *value = json!(format!("${{{name}}}"));
        return;
    }
    match value {
        Value::Array(list) => list.iter_mut().for_each(|v| lift(v, found)),
        Value::Object(members) => members.values_mut().for_each(|v| lift(v, found)),
        _ => {}
    }
}

/// What a map has, or the default; `None` leaves the call to the stack.
fn find(argument: &Value, values: &Values, mappings: &Value) -> Option<Value> {
    let [map, first, second, default] = argument.as_array()?.as_slice() else {
        return None;
    };
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        value => values.get(value.get("Ref")?.as_str()?).cloned(),
    };
    let found = mappings.get(text(map)?).and_then(|m| m.get(text(first)?)?.get(text(second)?));
    found.or(default.get("DefaultValue")).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_grows_without_bound_is_refused() {
        let mut text = json!({"a": "\\\""});
        for _ in 0..60 {
            text = json!({"Fn::ToJsonString": {"a": text}});
        }
        assert!(extend(&json!({"Resources": text}), &Values::new()).is_err());
        let items: Vec<String> = (0..100).map(|n| n.to_string()).collect();
        let mut body = json!({"A&{V0}&{V1}&{V2}&{V3}&{V4}": 1});
        for depth in 0..5 {
            body = json!({format!("Fn::ForEach::L{depth}"): [format!("V{depth}"), items, body]});
        }
        assert!(extend(&json!({"Resources": body}), &Values::new()).is_err());
    }

    #[test]
    fn loops_are_unrolled_and_functions_evaluated() {
        let values: Values = [("Names".to_owned(), "a-x,b".to_owned())].into_iter().collect();
        let document = json!({
            "Mappings": {"M": {"k": {"v": 1}}},
            "Resources": {
                "Fn::ForEach::Queues": ["Name", {"Ref": "Names"}, {
                    "Queue&{Name}": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": {"Ref": "Name"}, "Tag": "q-${Name}"}},
                }],
                "P": {"Type": "T", "Properties": {
                    "Count": {"Fn::Length": {"Ref": "Names"}},
                    "Text": {"Fn::ToJsonString": {"a": {"Ref": "P"}, "b": "${x}"}},
                    "Found": {"Fn::FindInMap": ["M", "k", "v", {"DefaultValue": 2}]},
                    "Default": {"Fn::FindInMap": ["M", "k", "w", {"DefaultValue": 2}]},
                }},
            },
        });
        let out = extend(&document, &values).unwrap();
        let resources = &out["Resources"];
        assert_eq!(resources["Queueax"]["Properties"], json!({"QueueName": "a-x", "Tag": "q-a-x"}));
        assert!(resources.get("Queueb").is_some());
        assert_eq!(
            resources["P"]["Properties"],
            json!({
                "Count": 2,
                "Text": {"Fn::Sub": ["{\"a\":\"${Json0}\",\"b\":\"${!x}\"}", {"Json0": {"Ref": "P"}}]},
                "Found": 1,
                "Default": 2,
            })
        );
    }
}
