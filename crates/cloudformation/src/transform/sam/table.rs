//! `AWS::Serverless::SimpleTable`: a table with one key.

use serde_json::{Value, json};

use super::Sam;
use super::document::{copy, resource, set};

pub(super) fn make(sam: &mut Sam<'_>, id: &str) -> Result<(), String> {
    let p = sam.properties(id);
    let key = p.get("PrimaryKey").filter(|v| !v.is_null());
    let (name, kind) = match key {
        None => (json!("id"), json!("String")),
        Some(key) => match (key.get("Name"), key.get("Type")) {
            (Some(name), Some(kind)) => (name.clone(), kind.clone()),
            _ => return Err("'PrimaryKey' is missing required Property 'Type'.".to_owned()),
        },
    };
    let kind = match kind.as_str() {
        Some("String") => json!("S"),
        Some("Number") => json!("N"),
        Some("Binary") => json!("B"),
        Some(_) => {
            return Err("Invalid 'Type' \"{actual}\"."
                .replace("{actual}", kind.as_str().unwrap_or_default()));
        }
        None => kind,
    };
    let mut built = json!({
        "AttributeDefinitions": [{"AttributeName": name, "AttributeType": kind}],
        "KeySchema": [{"AttributeName": name, "KeyType": "HASH"}],
    });
    match p.get("ProvisionedThroughput").filter(|v| !v.is_null()) {
        Some(throughput) => set(&mut built, "ProvisionedThroughput", throughput.clone()),
        None => set(&mut built, "BillingMode", json!("PAY_PER_REQUEST")),
    }
    copy(&p, &mut built, &["TableName", "SSESpecification", "PointInTimeRecoverySpecification"]);
    let tags: Vec<Value> = p
        .get("Tags")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .map(|(key, value)| json!({"Key": key, "Value": value}))
        .collect();
    if !tags.is_empty() {
        set(&mut built, "Tags", Value::Array(tags));
    }
    sam.emit_main(id, id, resource("AWS::DynamoDB::Table", built));
    Ok(())
}
