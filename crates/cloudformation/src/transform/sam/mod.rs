//! `AWS::Serverless-2016-10-31`: a template of serverless resources in, a plain template out.
//!
//! Behaviour is what AWS's guide to SAM says: which resources a property generates, their logical ids,
//! and how to refer to them. Read first: `translate` here, then `function.rs` and `events.rs`.
//!
//! Resource types that the cloud does not have are emitted all the same; the stack says so by name.

mod application;
mod connector;
mod deployment;
mod document;
mod events;
mod function;
mod globals;
mod http_api;
mod layer;
mod openapi;
mod policies;
mod references;
mod rest_api;
mod role;
mod sources;
mod state_machine;
mod table;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use document::{Object, set};
use openapi::Route;
use references::Renamed;

/// The name of the transform in templates.
pub const NAME: &str = "AWS::Serverless-2016-10-31";
/// The API that events name by naming none.
const IMPLICIT_HTTP: &str = "ServerlessHttpApi";
const IMPLICIT_REST: &str = "ServerlessRestApi";

/// A translation under way.
struct Sam<'a> {
    /// The values of the template's parameters.
    values: &'a BTreeMap<String, String>,
    /// Resources as they are written, with `Globals`.
    written: Object,
    /// What each written resource became: logical ids and resources.
    made: BTreeMap<String, Vec<(String, Value)>>,
    /// Made once for the whole template.
    shared: Object,
    /// Routes that events add to the APIs of this template.
    routes: BTreeMap<String, Vec<Route>>,
    names: Renamed,
    /// `Conditions` that stand for several others.
    conditions: Object,
}

/// Translates. The error is the whole message of the transform.
pub fn translate(document: &Value, values: &BTreeMap<String, String>) -> Result<Value, String> {
    let mut root = document.as_object().cloned().unwrap_or_default();
    let mut written = root.get("Resources").and_then(Value::as_object).cloned().unwrap_or_default();
    add_implicit_apis(&mut written);
    globals::apply(root.get("Globals"), &mut written).map_err(|message| failed(&[message]))?;
    root.shift_remove("Globals");
    root.shift_remove("Transform");
    let mut connectors = connector::embedded(&mut written);
    let mut sam = Sam {
        values,
        written,
        made: BTreeMap::new(),
        shared: Map::new(),
        routes: BTreeMap::new(),
        names: Renamed::new(),
        conditions: Map::new(),
    };
    let mut faults = Vec::new();
    // APIs come last: events add routes to them.
    for stage in [BEFORE_APIS, APIS] {
        for (kind, make) in stage {
            for id in sam.of_kind(kind) {
                if let Err(message) = make(&mut sam, &id) {
                    faults.push(format!("Resource with id [{id}] is invalid. {message}"));
                }
            }
        }
    }
    let mut resources = sam.assemble();
    connectors.extend(connector::declared(&mut resources));
    for connector in &connectors {
        if let Err(message) = connector::make(connector, &mut resources) {
            faults.push(format!("Resource with id [{}] is invalid. {message}", connector.id));
        }
    }
    if !faults.is_empty() {
        return Err(failed(&faults));
    }
    let mut out = Value::Object(root);
    set(&mut out, "Resources", Value::Object(resources));
    if !sam.conditions.is_empty() {
        let mut conditions = out.get("Conditions").and_then(Value::as_object).cloned();
        conditions.get_or_insert_default().extend(sam.conditions);
        set(&mut out, "Conditions", Value::Object(conditions.unwrap_or_default()));
    }
    for section in ["Resources", "Outputs", "Conditions"] {
        if let Some(value) = out.get_mut(section) {
            references::resolve(value, &sam.names);
        }
    }
    Ok(out)
}

/// Whether one of the conditions holds; `Fn::Or` takes ten at most.
fn any(conditions: &[Value]) -> Value {
    let named = |name: &Value| json!({"Condition": name});
    match conditions.split_at_checked(9) {
        Some((head, tail)) if tail.len() > 1 => {
            let mut all: Vec<Value> = head.iter().map(named).collect();
            all.push(any(tail));
            json!({"Fn::Or": all})
        }
        _ => json!({"Fn::Or": conditions.iter().map(named).collect::<Vec<Value>>()}),
    }
}

type Make = fn(&mut Sam<'_>, &str) -> Result<(), String>;

const BEFORE_APIS: &[(&str, Make)] = &[
    ("AWS::Serverless::Function", function::make),
    ("AWS::Serverless::StateMachine", state_machine::make),
    ("AWS::Serverless::SimpleTable", table::make),
    ("AWS::Serverless::LayerVersion", layer::make),
    ("AWS::Serverless::Application", application::make),
    ("AWS::Serverless::GraphQLApi", |_, _| unimplemented("AWS::Serverless::GraphQLApi")),
    ("AWS::Serverless::WebSocketApi", |_, _| unimplemented("AWS::Serverless::WebSocketApi")),
    ("AWS::Serverless::CapacityProvider", |_, _| {
        unimplemented("AWS::Serverless::CapacityProvider")
    }),
];

const APIS: &[(&str, Make)] =
    &[("AWS::Serverless::HttpApi", http_api::make), ("AWS::Serverless::Api", rest_api::make)];

fn unimplemented(kind: &str) -> Result<(), String> {
    Err(format!("{kind} is not implemented by Undercast"))
}

/// AWS's words around what is wrong.
fn failed(faults: &[String]) -> String {
    format!(
        "Invalid Serverless Application Specification document. Number of errors found: {}. {}",
        faults.len(),
        faults.join(" ")
    )
}

/// Events without an API of their own share one.
fn add_implicit_apis(resources: &mut Object) {
    let mut wanted = [false, false];
    for resource in resources.values() {
        let kind = resource.get("Type").and_then(Value::as_str).unwrap_or_default();
        if !["AWS::Serverless::Function", "AWS::Serverless::StateMachine"].contains(&kind) {
            continue;
        }
        let events = resource.pointer("/Properties/Events").and_then(Value::as_object);
        for event in events.into_iter().flat_map(Map::values) {
            let names = |key: &str| event.pointer(&format!("/Properties/{key}")).is_some();
            match event.get("Type").and_then(Value::as_str) {
                Some("HttpApi") if !names("ApiId") => wanted[0] = true,
                Some("Api") if !names("RestApiId") => wanted[1] = true,
                _ => {}
            }
        }
    }
    let [http, rest] = wanted;
    if http && !resources.contains_key(IMPLICIT_HTTP) {
        let api = json!({"Type": "AWS::Serverless::HttpApi", "Properties": {}});
        resources.insert(IMPLICIT_HTTP.to_owned(), api);
    }
    if rest && !resources.contains_key(IMPLICIT_REST) {
        let api = json!({"Type": "AWS::Serverless::Api", "Properties": {"StageName": "Prod"}});
        resources.insert(IMPLICIT_REST.to_owned(), api);
    }
}

impl Sam<'_> {
    fn of_kind(&self, kind: &str) -> Vec<String> {
        let is = |resource: &Value| resource.get("Type").and_then(Value::as_str) == Some(kind);
        self.written.iter().filter(|(_, r)| is(r)).map(|(id, _)| id.clone()).collect()
    }

    fn kind(&self, id: &str) -> Option<&str> {
        self.written.get(id)?.get("Type")?.as_str()
    }

    /// The properties of a written resource.
    fn properties(&self, id: &str) -> Object {
        let resource = self.written.get(id);
        let properties = resource.and_then(|r| r.get("Properties")).and_then(Value::as_object);
        properties.cloned().unwrap_or_default()
    }

    fn property(&self, id: &str, name: &str) -> Option<&Value> {
        self.written.get(id)?.get("Properties")?.get(name)
    }

    /// An attribute of a written resource: `Condition`, `DependsOn`, …
    fn written_attribute(&self, id: &str, name: &str) -> Option<Value> {
        self.written.get(id)?.get(name).filter(|v| !v.is_null()).cloned()
    }

    /// Keeps what `owner` becomes; it exists under the owner's condition and goes when the owner goes.
    fn emit(&mut self, owner: &str, id: impl Into<String>, mut resource: Value) {
        if resource.get("Condition").is_none()
            && let Some(condition) = self.written_attribute(owner, "Condition")
        {
            set(&mut resource, "Condition", condition);
        }
        for name in ["DeletionPolicy", "UpdateReplacePolicy"] {
            if resource.get(name).is_none()
                && let Some(policy) = self.written_attribute(owner, name)
            {
                set(&mut resource, name, policy);
            }
        }
        self.made.entry(owner.to_owned()).or_default().push((id.into(), resource));
    }

    /// The main resource of `owner`: it keeps the owner's attributes.
    fn emit_main(&mut self, owner: &str, id: impl Into<String>, mut resource: Value) {
        for name in ["DependsOn", "Metadata", "UpdatePolicy"] {
            if let Some(value) = self.written_attribute(owner, name)
                && resource.get(name).is_none()
            {
                set(&mut resource, name, value);
            }
        }
        self.emit(owner, id, resource);
    }

    fn rename(&mut self, written: impl Into<String>, id: impl Into<String>) {
        self.names.insert(written.into(), id.into());
    }

    /// Text, or the value of the parameter that is named instead.
    fn literal(&self, value: Option<&Value>) -> Option<String> {
        match value? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Object(call) if call.len() == 1 => {
                let name = call.get("Ref")?.as_str()?;
                self.values.get(name).cloned()
            }
            _ => None,
        }
    }

    /// A boolean, or a parameter that is one.
    fn is_true(&self, value: Option<&Value>) -> bool {
        match value {
            Some(Value::Bool(value)) => *value,
            value => self.literal(value).is_some_and(|text| text.eq_ignore_ascii_case("true")),
        }
    }

    /// An API that nobody wrote exists if one of its routes does.
    fn exist_with(&mut self, api: &str, routes: &[Route]) {
        let mut conditions: Vec<Value> = Vec::new();
        for route in routes {
            match &route.condition {
                None => return,
                Some(condition) if conditions.contains(condition) => {}
                Some(condition) => conditions.push(condition.clone()),
            }
        }
        let condition = match conditions.as_slice() {
            [] => return,
            [one] => one.clone(),
            several => {
                let name = format!("{api}Condition");
                self.conditions.insert(name.clone(), any(several));
                json!(name)
            }
        };
        if let Some(written) = self.written.get_mut(api) {
            set(written, "Condition", condition);
        }
    }

    /// Everything in the order of the template; what is made once comes last.
    fn assemble(&mut self) -> Object {
        let mut resources = Map::new();
        for (id, resource) in std::mem::take(&mut self.written) {
            match self.made.remove(&id) {
                Some(made) => resources.extend(made),
                None => {
                    let kind = resource.get("Type").and_then(Value::as_str).unwrap_or_default();
                    let is_ours = BEFORE_APIS.iter().chain(APIS).any(|(name, _)| *name == kind);
                    if !is_ours {
                        resources.insert(id, resource);
                    }
                }
            }
        }
        resources.extend(std::mem::take(&mut self.shared));
        resources
    }
}
