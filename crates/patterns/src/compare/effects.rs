//! Effects in one form: batches taken apart, placeholders resolved, what they are done to named.

use serde_json::{Map, Value};

use super::EFFECTS_MAX;
use super::Effect;
use super::expression::{Placeholders, plain_members};

/// One effect on one thing.
#[derive(Debug, Clone)]
pub(super) struct Single {
    pub(super) service: String,
    pub(super) operation: String,
    /// The table, queue, topic, bucket, ….
    pub(super) target: String,
    /// What of the target: effects on the same key have an order.
    pub(super) key: Option<String>,
    pub(super) input: Value,
    pub(super) outcome: Result<(), String>,
}

impl Single {
    /// `dynamodb:PutItem(orders)`: the first step of its places.
    pub(super) fn label(&self) -> String {
        format!("{}:{}({})", self.service, self.operation, self.target)
    }
}

/// The effects of one side, and whether some were left out.
pub(super) fn normalize(effects: &[Effect]) -> (Vec<Single>, bool) {
    let mut out = Vec::with_capacity(effects.len().min(EFFECTS_MAX));
    for effect in effects {
        if out.len() >= EFFECTS_MAX {
            return (out, true);
        }
        split(effect, &mut out);
    }
    let is_cut = out.len() > EFFECTS_MAX;
    out.truncate(EFFECTS_MAX);
    let keys = key_names(effects);
    for single in out.iter_mut().filter(|single| single.key.is_none()) {
        single.key = item_key(single, &keys);
    }
    (out, is_cut)
}

fn split(effect: &Effect, out: &mut Vec<Single>) {
    let service = service(&effect.service);
    let mut push = |operation: &str, target: String, key: Option<String>, input: Value| {
        out.push(Single {
            service: service.clone(),
            operation: operation.to_owned(),
            target,
            key,
            input,
            outcome: effect.outcome.clone(),
        });
    };
    let nothing = Map::new();
    let input = effect.input.as_object().unwrap_or(&nothing);
    match (service.as_str(), effect.operation.as_str()) {
        ("dynamodb", "BatchWriteItem") => {
            for (table, requests) in object(input, "RequestItems") {
                for request in requests.as_array().into_iter().flatten() {
                    if let Some(put) = request.get("PutRequest").and_then(|put| put.get("Item")) {
                        push("PutItem", name_of(table), None, members(put));
                    } else if let Some(key) = request.pointer("/DeleteRequest/Key") {
                        let key = members(key);
                        push("DeleteItem", name_of(table), Some(key.to_string()), key);
                    }
                }
            }
        }
        ("dynamodb", "TransactWriteItems") => {
            for item in array(input, "TransactItems") {
                // One of Put, Update, Delete and ConditionCheck.
                for (verb, input) in item.as_object().into_iter().flatten() {
                    let nothing = Map::new();
                    let input = input.as_object().unwrap_or(&nothing);
                    let (target, key, input) = item_effect(input);
                    push(&format!("TransactWriteItems.{verb}"), target, key, input);
                }
            }
        }
        ("dynamodb", "PutItem" | "UpdateItem" | "DeleteItem") => {
            let (target, key, input) = item_effect(input);
            push(&effect.operation, target, key, input);
        }
        (_, operation) => match batch(&service, operation) {
            Some((single, entries)) => {
                for entry in array(input, entries) {
                    let mut one = input.clone();
                    // `entries` may be a path of two.
                    one.shift_remove(entries.split('/').next().unwrap_or_default());
                    if let Value::Object(entry) = entry {
                        one.extend(entry.iter().map(|(k, v)| (k.clone(), v.clone())));
                    }
                    if entries != "Entries" || service != "events" {
                        one.shift_remove("Id");
                    }
                    let key = key_of(&service, &one);
                    let target = take_target(&service, &mut one);
                    push(single, target, key, one.into());
                }
            }
            None => {
                let mut one = input.clone();
                one.shift_remove("ClientRequestToken");
                let key = key_of(&service, &one);
                let target = take_target(&service, &mut one);
                let input =
                    if effect.input.is_object() { one.into() } else { effect.input.clone() };
                push(operation, target, key, input);
            }
        },
    }
}

/// Operations that are many at once: the single one, and where the entries are.
fn batch(service: &str, operation: &str) -> Option<(&'static str, &'static str)> {
    Some(match (service, operation) {
        ("sqs", "SendMessageBatch") => ("SendMessage", "Entries"),
        ("sqs", "DeleteMessageBatch") => ("DeleteMessage", "Entries"),
        ("sqs", "ChangeMessageVisibilityBatch") => ("ChangeMessageVisibility", "Entries"),
        ("sns", "PublishBatch") => ("Publish", "PublishBatchRequestEntries"),
        ("events", "PutEvents") => ("PutEvents", "Entries"),
        ("kinesis", "PutRecords") => ("PutRecord", "Records"),
        ("firehose", "PutRecordBatch") => ("PutRecord", "Records"),
        ("s3", "DeleteObjects") => ("DeleteObject", "Delete/Objects"),
        _ => return None,
    })
}

/// Table, key and what is written, of a write to one item.
fn item_effect(input: &Map<String, Value>) -> (String, Option<String>, Value) {
    let placeholders = Placeholders::of(input);
    let key = input.get("Key").map(members);
    let mut out = Map::new();
    for (name, value) in input {
        let text = value.as_str();
        match (name.as_str(), text) {
            ("Item" | "Key", _) => {
                if let Value::Object(attributes) = members(value) {
                    out.extend(attributes);
                }
            }
            ("UpdateExpression", Some(text)) => out.extend(placeholders.assignments(text)),
            ("ConditionExpression", Some(text)) => {
                out.insert("(condition)".to_owned(), placeholders.resolve(text).into());
            }
            (
                "TableName"
                | "ExpressionAttributeNames"
                | "ExpressionAttributeValues"
                | "ReturnValues"
                | "ReturnConsumedCapacity"
                | "ReturnItemCollectionMetrics"
                | "ReturnValuesOnConditionCheckFailure"
                | "ClientRequestToken",
                _,
            ) => {}
            (name, _) => {
                out.insert(format!("({name})"), value.clone());
            }
        }
    }
    (target_of("dynamodb", input), key.map(|key| key.to_string()), out.into())
}

fn members(value: &Value) -> Value {
    value.as_object().map_or_else(|| value.clone(), plain_members)
}

fn object<'a>(
    input: &'a Map<String, Value>,
    key: &str,
) -> impl Iterator<Item = (&'a String, &'a Value)> {
    input.get(key).and_then(Value::as_object).into_iter().flatten()
}

fn array<'a>(input: &'a Map<String, Value>, path: &str) -> impl Iterator<Item = &'a Value> {
    let mut steps = path.split('/');
    let first = steps.next().and_then(|step| input.get(step));
    let value = steps.fold(first, |value, step| value.and_then(|value| value.get(step)));
    value.and_then(Value::as_array).into_iter().flatten()
}

/// The names by which services call themselves in different places.
fn service(name: &str) -> String {
    let name = name.to_ascii_lowercase();
    match name.as_str() {
        "eventbridge" => "events".to_owned(),
        "stepfunctions" | "sfn" => "states".to_owned(),
        "cloudwatchlogs" => "logs".to_owned(),
        _ => name,
    }
}

/// Inputs that say what an operation is done to.
const TARGETS: &[&str] = &[
    "TableName",
    "QueueUrl",
    "TopicArn",
    "TargetArn",
    "EventBusName",
    "StreamName",
    "StreamARN",
    "DeliveryStreamName",
    "Bucket",
    "FunctionName",
    "stateMachineArn",
    "logGroupName",
    "UserPoolId",
    "SecretId",
    "KeyId",
    "QueueName",
    "Name",
    "name",
];

fn target_of(service: &str, input: &Map<String, Value>) -> String {
    let found = TARGETS.iter().find_map(|name| input.get(*name).and_then(Value::as_str));
    match (found, service) {
        (Some(target), _) => name_of(target),
        (None, "events") => "default".to_owned(),
        (None, _) => String::new(),
    }
}

/// The target is told by the label: how it is written does not matter.
fn take_target(service: &str, input: &mut Map<String, Value>) -> String {
    let target = target_of(service, input);
    if let Some(name) = TARGETS.iter().find(|n| input.get(**n).is_some_and(Value::is_string)) {
        input.shift_remove(*name);
    }
    target
}

/// The name in an ARN or a URL. A name may itself have slashes.
fn name_of(target: &str) -> String {
    if let Some(rest) = target.strip_prefix("arn:") {
        let resource = rest.splitn(5, ':').nth(4).unwrap_or(rest);
        let name = resource.split_once(['/', ':']).map_or(resource, |(_, name)| name);
        return name.to_owned();
    }
    match target.split_once("://") {
        Some((_, rest)) => rest.trim_end_matches('/').rsplit('/').next().unwrap_or(rest).to_owned(),
        None => target.to_owned(),
    }
}

fn key_of(service: &str, input: &Map<String, Value>) -> Option<String> {
    let text = |name: &str| input.get(name).and_then(Value::as_str).map(str::to_owned);
    match service {
        "s3" => text("Key"),
        "sqs" | "sns" => text("MessageGroupId"),
        "kinesis" => text("PartitionKey"),
        "ssm" | "secretsmanager" => text("Name").or_else(|| text("SecretId")),
        _ => None,
    }
}

/// Names of key attributes by table, as far as other effects tell them.
fn key_names(effects: &[Effect]) -> Vec<(String, Vec<String>)> {
    let mut out: Vec<(String, Vec<String>)> = Vec::new();
    for effect in effects.iter().take(EFFECTS_MAX) {
        let (Some(input), true) =
            (effect.input.as_object(), service(&effect.service) == "dynamodb")
        else {
            continue;
        };
        let Some(key) = input.get("Key").and_then(Value::as_object) else { continue };
        let table = target_of("dynamodb", input);
        if !out.iter().any(|(known, _)| *known == table) {
            out.push((table, key.keys().cloned().collect()));
        }
    }
    out
}

/// The key of an item that is put. Without a key of the table in sight: by the usual names.
fn item_key(single: &Single, keys: &[(String, Vec<String>)]) -> Option<String> {
    if single.service != "dynamodb" {
        return None;
    }
    let item = single.input.as_object()?;
    let known = keys.iter().find(|(table, _)| *table == single.target).map(|(_, names)| names);
    let names: Vec<&str> = match known {
        Some(names) => names.iter().map(String::as_str).collect(),
        None => {
            let usual = [["pk", "sk"], ["PK", "SK"], ["id", "id"], ["Id", "Id"], ["ID", "ID"]];
            usual.into_iter().find(|[first, _]| item.contains_key(*first))?.to_vec()
        }
    };
    let key: Map<String, Value> = names
        .into_iter()
        .filter_map(|name| item.get(name).map(|value| (name.to_owned(), value.clone())))
        .collect();
    Some(Value::Object(key).to_string())
}
