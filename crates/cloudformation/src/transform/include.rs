//! `AWS::Include`: a piece of a template that lies in S3.

use serde_json::{Value, json};

use super::{Budget, weight};

pub const NAME: &str = "AWS::Include";

/// The location in `{"Name": "AWS::Include", "Parameters": {"Location": …}}`.
fn location(call: &Value) -> Option<&Value> {
    (call.get("Name")?.as_str()? == NAME).then(|| call.get("Parameters")?.get("Location"))?
}

pub fn is_called(value: &Value) -> bool {
    match value {
        Value::Array(values) => values.iter().any(is_called),
        Value::Object(members) => {
            members.get("Fn::Transform").is_some_and(|call| location(call).is_some())
                || members.values().any(is_called)
        }
        _ => false,
    }
}

/// The places that the document includes, as they are written.
pub fn locations(document: &Value) -> Vec<Value> {
    let mut found: Vec<Value> =
        super::declared(document).iter().filter_map(|t| location(t).cloned()).collect();
    collect(document, &mut found);
    found
}

fn collect(value: &Value, found: &mut Vec<Value>) {
    match value {
        Value::Array(values) => values.iter().for_each(|v| collect(v, found)),
        Value::Object(members) => {
            if let Some(at) = members.get("Fn::Transform").and_then(location) {
                found.push(at.clone());
            }
            members.values().for_each(|v| collect(v, found));
        }
        _ => {}
    }
}

/// Puts what `fetched` has in the places of the calls: its members stand beside what is there already.
pub fn place(document: &mut Value, fetched: &[(Value, Value)]) -> Result<(), String> {
    let mut budget = Budget::default();
    for at in locations(document) {
        let included = fetched.iter().find(|(location, _)| *location == at);
        budget.spend(included.map_or(0, |(_, included)| weight(included)))?;
    }
    for transform in super::declared(document) {
        let included = location(&transform).and_then(|at| look_up(at, fetched));
        if let (Some(Value::Object(included)), Value::Object(root)) = (included, &mut *document) {
            for (name, value) in included {
                match (root.get_mut(&name), value) {
                    (Some(Value::Object(have)), Value::Object(more)) => {
                        for (name, value) in more {
                            have.entry(name).or_insert(value);
                        }
                    }
                    (Some(_), _) => {}
                    (None, value) => {
                        root.insert(name, value);
                    }
                }
            }
        }
    }
    replace(document, fetched);
    Ok(())
}

fn look_up(at: &Value, fetched: &[(Value, Value)]) -> Option<Value> {
    fetched.iter().find(|(location, _)| location == at).map(|(_, included)| included.clone())
}

fn replace(value: &mut Value, fetched: &[(Value, Value)]) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(|v| replace(v, fetched)),
        Value::Object(members) => {
            // What is included is not searched: it may include itself.
            members.values_mut().for_each(|v| replace(v, fetched));
            let at = members.get("Fn::Transform").and_then(location).cloned();
            let Some(included) = at.and_then(|at| look_up(&at, fetched)) else {
                return;
            };
            members.shift_remove("Fn::Transform");
            match included {
                Value::Object(included) => {
                    for (name, one) in included {
                        members.entry(name).or_insert(one);
                    }
                }
                other if members.is_empty() => *value = other,
                _ => {}
            }
        }
        _ => {}
    }
}

/// The location as text: parameters and pseudo parameters in it replaced.
pub fn plain_location(
    at: &Value,
    values: &super::Values,
    pseudo: impl Fn(&str) -> Option<String>,
) -> Option<String> {
    let of = |name: &str| values.get(name).cloned().or_else(|| pseudo(name));
    match at {
        Value::String(text) => Some(text.clone()),
        Value::Object(call) => match (call.get("Ref"), call.get("Fn::Sub"), call.get("Fn::Join")) {
            (Some(name), ..) => of(name.as_str()?),
            (_, Some(text), _) => {
                let empty = json!({});
                let (text, own) = match text {
                    Value::Array(parts) => (parts.first()?, parts.get(1).unwrap_or(&empty)),
                    text => (text, &empty),
                };
                let mut out = String::new();
                let mut rest = text.as_str()?;
                while let Some((before, after)) = rest.split_once("${") {
                    let (name, tail) = after.split_once('}')?;
                    out.push_str(before);
                    let value = match own.get(name) {
                        Some(value) => value
                            .as_str()
                            .map(str::to_owned)
                            .or_else(|| of(value.get("Ref")?.as_str()?)),
                        None => of(name),
                    };
                    out.push_str(&value?);
                    rest = tail;
                }
                out.push_str(rest);
                Some(out)
            }
            (_, _, Some(Value::Array(parts))) => {
                let [by, Value::Array(parts)] = parts.as_slice() else {
                    return None;
                };
                let parts: Option<Vec<String>> = parts
                    .iter()
                    .map(|part| {
                        part.as_str()
                            .map(str::to_owned)
                            .or_else(|| of(part.get("Ref")?.as_str()?))
                    })
                    .collect();
                Some(parts?.join(by.as_str()?))
            }
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_included_stands_beside_what_is_there() {
        let call = json!({"Name": NAME, "Parameters": {"Location": "s3://b/k"}});
        let mut document = json!({"A": {"X": 1, "Fn::Transform": call}});
        assert!(is_called(&document));
        assert_eq!(locations(&document), [json!("s3://b/k")]);
        place(&mut document, &[(json!("s3://b/k"), json!({"X": 2, "Y": 3}))]).unwrap();
        assert_eq!(document, json!({"A": {"X": 1, "Y": 3}}));
    }

    #[test]
    fn what_includes_itself_comes_to_an_end() {
        let call = json!({"Fn::Transform": {"Name": NAME, "Parameters": {"Location": "s3://b/k"}}});
        let mut document = json!({"A": call});
        for _ in 0..3 {
            place(&mut document, &[(json!("s3://b/k"), json!({"B": call}))]).unwrap();
        }
        assert!(document.pointer("/A/B/B/B/Fn::Transform").is_some());
    }

    #[test]
    fn a_location_may_name_parameters() {
        let values = [("Bucket".to_owned(), "b".to_owned())].into_iter().collect();
        let at = json!({"Fn::Sub": "s3://${Bucket}/${AWS::Region}.yaml"});
        let pseudo = |name: &str| (name == "AWS::Region").then(|| "eu-west-1".to_owned());
        assert_eq!(plain_location(&at, &values, pseudo).unwrap(), "s3://b/eu-west-1.yaml");
    }
}
