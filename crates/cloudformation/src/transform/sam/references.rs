//! References to what SAM generates: `Function.Version`, `Function.Alias`, `Api.Stage`, layers.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// Written name → logical id.
pub(super) type Renamed = BTreeMap<String, String>;

/// Replaces written names by logical ids wherever a function mentions them.
pub(super) fn resolve(value: &mut Value, names: &Renamed) {
    if names.is_empty() {
        return;
    }
    match value {
        Value::Array(values) => values.iter_mut().for_each(|v| resolve(v, names)),
        Value::Object(members) => {
            let call = if members.len() == 1 { members.iter_mut().next() } else { None };
            match call {
                Some((function, argument)) if function == "Ref" => plain(argument, names),
                Some((function, argument)) if function == "Fn::GetAtt" => path(argument, names),
                Some((function, argument)) if function == "Fn::Sub" => text(argument, names),
                _ => members.values_mut().for_each(|v| resolve(v, names)),
            }
        }
        _ => {}
    }
}

fn plain(argument: &mut Value, names: &Renamed) {
    if let Some(id) = argument.as_str().and_then(|name| names.get(name)) {
        *argument = json!(id);
    }
}

/// The logical id for the longest written name that `name` begins with, and what is left of `name`.
fn longest<'a>(name: &'a str, names: &'a Renamed) -> Option<(&'a str, &'a str)> {
    let mut end = name.len();
    loop {
        let (head, tail) = name.split_at_checked(end)?;
        if let Some(id) = names.get(head) {
            return Some((id, tail.trim_start_matches('.')));
        }
        end = head.rfind('.')?;
    }
}

fn path(argument: &mut Value, names: &Renamed) {
    let name = match &*argument {
        Value::String(text) => text.clone(),
        Value::Array(parts) => {
            let parts: Option<Vec<&str>> = parts.iter().map(Value::as_str).collect();
            match parts {
                Some(parts) => parts.join("."),
                None => return,
            }
        }
        _ => return,
    };
    if let Some((id, rest)) = longest(&name, names).filter(|(_, rest)| !rest.is_empty()) {
        *argument = json!([id, rest]);
    }
}

fn text(argument: &mut Value, names: &Renamed) {
    let (template, variables) = match argument {
        Value::String(template) => (template, None),
        Value::Array(parts) => match parts.as_mut_slice() {
            [Value::String(template), variables] => (template, Some(variables)),
            _ => return,
        },
        _ => return,
    };
    let mut out = String::with_capacity(template.len());
    let mut rest = template.as_str();
    while let Some((before, after)) = rest.split_once("${") {
        out.push_str(before);
        out.push_str("${");
        let (name, tail) = after.split_once('}').unwrap_or((after, ""));
        let is_variable = variables.as_ref().is_some_and(|v| v.get(name).is_some());
        match longest(name, names).filter(|_| !is_variable) {
            Some((id, "")) => out.push_str(id),
            Some((id, attribute)) => {
                out.push_str(id);
                out.push('.');
                out.push_str(attribute);
            }
            None => out.push_str(name),
        }
        if after.contains('}') {
            out.push('}');
        }
        rest = tail;
    }
    out.push_str(rest);
    *template = out;
    if let Some(variables) = variables {
        resolve(variables, names);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_reference_is_resolved() {
        let names = [("F.Version", "FVersion1"), ("F.Alias", "FAliaslive"), ("L", "Labc")];
        let names: Renamed = names.into_iter().map(|(a, b)| (a.to_owned(), b.to_owned())).collect();
        let mut value = json!([
            {"Ref": "F.Version"},
            {"Ref": "F"},
            {"Fn::GetAtt": ["F", "Version.Version"]},
            {"Fn::GetAtt": "F.Arn"},
            {"Fn::Sub": "${F.Alias}/${L}/${F.Arn}/${F.Version.Version}/${!L}"},
            {"Fn::Sub": ["${L}${X}", {"L": 1, "X": {"Ref": "L"}}]},
        ]);
        resolve(&mut value, &names);
        assert_eq!(
            value,
            json!([
                {"Ref": "FVersion1"},
                {"Ref": "F"},
                {"Fn::GetAtt": ["FVersion1", "Version"]},
                {"Fn::GetAtt": "F.Arn"},
                {"Fn::Sub": "${FAliaslive}/${Labc}/${F.Arn}/${FVersion1.Version}/${!L}"},
                {"Fn::Sub": ["${L}${X}", {"L": 1, "X": {"Ref": "Labc"}}]},
            ])
        );
    }
}
