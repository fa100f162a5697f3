//! `AWS::Serverless::StateMachine`: a state machine, its role, and what starts it.

use serde::Serialize;
use serde_json::{Value, json};

use super::document::{
    Object, attribute, copy, is_intrinsic, location, object, reference, resource, set, sub, tags,
};
use super::events::{Event, dead_letters, required, rule_properties, schedule_for};
use super::openapi::{Route, api_of, method_key};
use super::role::{self, Needs, trust};
use super::{IMPLICIT_REST, Sam};

const TAG: &str = "stateMachine:createdBy";

pub(super) fn make(sam: &mut Sam<'_>, id: &str) -> Result<(), String> {
    let p = sam.properties(id);
    let given = |name: &str| p.get(name).filter(|v| !v.is_null());
    let mut built = json!({});
    let mut found = Vec::new();
    match (given("Definition"), given("DefinitionUri")) {
        (Some(_), Some(_)) => {
            return Err(
                "Specify either 'Definition' or 'DefinitionUri' property and not both.".to_owned()
            );
        }
        (Some(definition), None) => {
            let text = lines(definition, &mut found);
            set(&mut built, "DefinitionString", json!({"Fn::Join": ["\n", text]}));
        }
        (None, Some(uri)) => {
            let from = location(uri, "DefinitionUri", ["Bucket", "Key", "Version"])?;
            set(&mut built, "DefinitionS3Location", from);
        }
        (None, None) => {
            return Err(
                "Either 'Definition' or 'DefinitionUri' property must be specified.".to_owned()
            );
        }
    }
    let mut substitutions = given("DefinitionSubstitutions").cloned().unwrap_or_else(|| json!({}));
    for (index, value) in found.into_iter().enumerate() {
        set(&mut substitutions, &format!("definition_substitution_{}", index + 1), value);
    }
    if substitutions != json!({}) {
        set(&mut built, "DefinitionSubstitutions", substitutions);
    }
    for (name, under) in [
        ("Name", "StateMachineName"),
        ("Type", "StateMachineType"),
        ("Logging", "LoggingConfiguration"),
        ("Tracing", "TracingConfiguration"),
        ("EncryptionConfiguration", "EncryptionConfiguration"),
    ] {
        if let Some(value) = given(name) {
            set(&mut built, under, value.clone());
        }
    }
    set(&mut built, "Tags", tags(TAG, given("Tags")));
    match (given("Role"), given("Policies")) {
        (Some(_), Some(_)) => {
            return Err("Specify either 'Role' or 'Policies' property and not both.".to_owned());
        }
        (Some(role), None) => set(&mut built, "RoleArn", role.clone()),
        (None, _) => {
            let mut needs = Needs::default();
            if sam.is_true(given("Tracing").and_then(|t| t.get("Enabled"))) {
                needs.managed("AWSXrayWriteOnlyAccess");
            }
            let role = role::role(id, "states.amazonaws.com", &p, needs, TAG)?;
            sam.emit(id, format!("{id}Role"), role);
            set(&mut built, "RoleArn", attribute(&format!("{id}Role"), "Arn"));
        }
    }
    sam.emit_main(id, id, resource("AWS::StepFunctions::StateMachine", built));
    let events = given("Events").and_then(Value::as_object).cloned().unwrap_or_default();
    for (name, event) in &events {
        self::event(sam, id, name, event)
            .map_err(|message| format!("Event with id [{name}] is invalid. {message}"))?;
    }
    Ok(())
}

/// The definition as lines of JSON; functions in it become substitutions.
fn lines(definition: &Value, found: &mut Vec<Value>) -> Vec<Value> {
    let mut definition = definition.clone();
    lift(&mut definition, found);
    definition.sort_all_objects();
    let mut text = Vec::new();
    let format = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    let mut writer = serde_json::Serializer::with_formatter(&mut text, format);
    // Writing into memory does not fail.
    let _ = definition.serialize(&mut writer);
    String::from_utf8_lossy(&text).lines().map(|line| json!(line)).collect()
}

fn lift(value: &mut Value, found: &mut Vec<Value>) {
    if is_intrinsic(value) {
        found.push(std::mem::take(value));
        *value = json!(format!("${{definition_substitution_{}}}", found.len()));
        return;
    }
    match value {
        Value::Array(values) => values.iter_mut().for_each(|v| lift(v, found)),
        Value::Object(members) => members.values_mut().for_each(|v| lift(v, found)),
        _ => {}
    }
}

fn event(sam: &mut Sam<'_>, id: &str, name: &str, event: &Value) -> Result<(), String> {
    let kind = event.get("Type").and_then(Value::as_str).unwrap_or_default();
    let empty = Object::new();
    let p = event.get("Properties").and_then(Value::as_object).unwrap_or(&empty);
    let event = Event { id: format!("{id}{name}"), p };
    match kind {
        "Schedule" | "EventBridgeRule" | "CloudWatchEvent" => {
            rule(sam, id, &event, kind == "Schedule")
        }
        "ScheduleV2" => {
            let action = ("states:StartExecution", "StartExecution");
            schedule_for(sam, id, reference(id), &event, action)
        }
        "Api" => api(sam, id, &event),
        _ => Err(format!(
            "Resource dict has missing or invalid value for key Type. Event Type is: {kind}."
        )),
    }
}

/// The role in which `service` starts executions.
fn starter(sam: &mut Sam<'_>, id: &str, event: &Event<'_>, service: &str) -> Value {
    if let Some(role) = event.p.get("RoleArn").filter(|v| !v.is_null()) {
        return role.clone();
    }
    let role = format!("{}Role", event.id);
    let built = json!({
        "AssumeRolePolicyDocument": trust(service),
        "Policies": [{
            "PolicyName": format!("{}RoleStartExecutionPolicy", event.id),
            "PolicyDocument": {"Version": "2012-10-17", "Statement": [
                {"Effect": "Allow", "Action": "states:StartExecution", "Resource": reference(id)},
            ]},
        }],
    });
    sam.emit(id, role.clone(), resource("AWS::IAM::Role", built));
    attribute(&role, "Arn")
}

fn rule(sam: &mut Sam<'_>, id: &str, event: &Event<'_>, is_schedule: bool) -> Result<(), String> {
    let mut built = rule_properties(sam, event.p, is_schedule)?;
    if let Value::Object(members) = &mut built {
        members.shift_remove("RoleArn");
    }
    let role = starter(sam, id, event, "events.amazonaws.com");
    let given = event.p.get("Target").and_then(|t| t.get("Id")).cloned();
    let mut target = object([
        ("Arn", Some(reference(id))),
        ("Id", Some(given.unwrap_or_else(|| json!(format!("{}StepFunctionsTarget", event.id))))),
        ("RoleArn", Some(role)),
    ]);
    copy(event.p, &mut target, &["Input", "InputPath", "InputTransformer", "RetryPolicy"]);
    if let Some(config) = dead_letters(sam, id, event, &event.id)? {
        set(&mut target, "DeadLetterConfig", config);
    }
    set(&mut built, "Targets", json!([target]));
    sam.emit(id, event.id.clone(), resource("AWS::Events::Rule", built));
    Ok(())
}

fn api(sam: &mut Sam<'_>, id: &str, event: &Event<'_>) -> Result<(), String> {
    let p = event.p;
    let known = ("RestApiId", IMPLICIT_REST, "AWS::Serverless::Api");
    let api = api_of(sam, p.get("RestApiId"), known)?;
    let path = required(p, "Path")?.as_str().ok_or("Path must be a string.")?.to_owned();
    let method = required(p, "Method")?.as_str().ok_or("Method must be a string.")?.to_owned();
    let role = starter(sam, id, event, "apigateway.amazonaws.com");
    let input = sub(format!(
        "{{\"input\": \"$util.escapeJavaScript($input.json('$'))\", \"stateMachineArn\": \"${{{id}}}\"}}"
    ));
    let integration = json!({
        "type": "aws",
        "httpMethod": "POST",
        "uri": sub("arn:${AWS::Partition}:apigateway:${AWS::Region}:states:action/StartExecution"),
        "credentials": role,
        "requestTemplates": {"application/json": input},
        "responses": {"200": {"statusCode": "200"}, "400": {"statusCode": "400"}},
    });
    let operation = json!({
        "x-amazon-apigateway-integration": integration,
        "responses": {"200": {"description": "OK"}, "400": {"description": "Bad Request"}},
    });
    let route = Route {
        path,
        method: method_key(&method),
        operation,
        auth: p.get("Auth").cloned(),
        condition: sam.written_attribute(id, "Condition"),
    };
    sam.routes.entry(api).or_default().push(route);
    Ok(())
}
