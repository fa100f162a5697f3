//! Messages as a function sees them, and what its answer says of them.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

/// A message of `ReceiveMessage` as a record.
pub(super) fn record(message: &Value, source: &str, region: &str) -> Value {
    let part = |name: &str| message.get(name).cloned().unwrap_or_default();
    let attributes = match part("Attributes") {
        Value::Null => json!({}),
        attributes => attributes,
    };
    let mut record = Map::new();
    let mut put = |name: &str, value: Value| record.insert(name.to_owned(), value);
    put("messageId", part("MessageId"));
    put("receiptHandle", part("ReceiptHandle"));
    put("body", part("Body"));
    put("attributes", attributes);
    put("messageAttributes", message_attributes(&part("MessageAttributes")));
    put("md5OfBody", part("MD5OfBody"));
    if let md5 @ Value::String(_) = part("MD5OfMessageAttributes") {
        put("md5OfMessageAttributes", md5);
    }
    put("eventSource", "aws:sqs".into());
    put("eventSourceARN", source.into());
    put("awsRegion", region.into());
    Value::Object(record)
}

fn message_attributes(attributes: &Value) -> Value {
    let one = |(name, value): (&String, &Value)| {
        let mut shown = Map::new();
        for (from, to) in [("StringValue", "stringValue"), ("BinaryValue", "binaryValue")] {
            if let Some(value) = value.get(from) {
                shown.insert(to.to_owned(), value.clone());
            }
        }
        shown.insert("stringListValues".to_owned(), json!([]));
        shown.insert("binaryListValues".to_owned(), json!([]));
        let kind = value.get("DataType").cloned().unwrap_or_default();
        shown.insert("dataType".to_owned(), kind);
        (name.clone(), Value::Object(shown))
    };
    let attributes = attributes.as_object();
    Value::Object(attributes.into_iter().flatten().map(one).collect())
}

/// The ids that an answer reports as failed; `None` says that all of them are.
pub(super) fn failures(answer: &[u8], sent: &BTreeSet<&str>) -> Option<BTreeSet<String>> {
    if answer.iter().all(u8::is_ascii_whitespace) {
        return Some(BTreeSet::new());
    }
    let answer: Value = serde_json::from_slice(answer).ok()?;
    let items = match &answer {
        Value::Null => return Some(BTreeSet::new()),
        Value::String(text) if text.is_empty() => return Some(BTreeSet::new()),
        Value::Object(fields) => match fields.get("batchItemFailures") {
            None | Some(Value::Null) => return Some(BTreeSet::new()),
            Some(Value::Array(items)) => items,
            Some(_) => return None,
        },
        _ => return None,
    };
    let id = |item: &Value| {
        let id = item.get("itemIdentifier")?.as_str()?;
        sent.contains(id).then(|| id.to_owned())
    };
    items.iter().map(id).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_name_what_failed() {
        let sent: BTreeSet<&str> = ["a", "b"].into();
        let failed = |answer: &str| failures(answer.as_bytes(), &sent);
        for none in [
            "",
            "null",
            "{}",
            "\"\"",
            r#"{"batchItemFailures": []}"#,
            r#"{"batchItemFailures": null}"#,
        ] {
            assert_eq!(failed(none), Some(BTreeSet::new()), "{none}");
        }
        let one = failed(r#"{"batchItemFailures": [{"itemIdentifier": "b"}]}"#);
        assert_eq!(one, Some(["b".to_owned()].into()));
        for all in [
            "[]",
            "no json",
            r#"{"batchItemFailures": [{"itemIdentifier": ""}]}"#,
            r#"{"batchItemFailures": [{"itemIdentifier": null}]}"#,
            r#"{"batchItemFailures": [{"foo": "a"}]}"#,
            r#"{"batchItemFailures": [{"itemIdentifier": "unknown"}]}"#,
        ] {
            assert_eq!(failed(all), None, "{all}");
        }
    }
}
