//! Properties of `AWS::S3::Bucket` as the inputs of S3's operations, which name things otherwise.

use serde_json::{Map, Value, json};
use undercast_kernel::ServiceError;

/// The names of a map's entries, from template to operation. What is not named is refused.
fn renamed(
    value: &Value,
    what: &str,
    names: &[(&str, &str)],
) -> Result<Map<String, Value>, ServiceError> {
    let mut out = Map::new();
    for (name, value) in value.as_object().into_iter().flatten() {
        let Some((_, to)) = names.iter().find(|(from, _)| from == name) else {
            return Err(ServiceError::unsupported(format!(
                "the property {name} of {what} of AWS::S3::Bucket"
            )));
        };
        out.insert((*to).to_owned(), number(value));
    }
    Ok(out)
}

/// Templates may write numbers as text.
fn number(value: &Value) -> Value {
    let parsed = value.as_str().and_then(|text| text.parse::<i64>().ok());
    parsed.map_or_else(|| value.clone(), Value::from)
}

fn each(list: Option<&Value>) -> impl Iterator<Item = &Value> {
    list.and_then(Value::as_array).into_iter().flatten()
}

/// `PrivateRead` to `private-read`.
pub(super) fn canned(acl: &str) -> String {
    let mut out = String::new();
    for (at, c) in acl.chars().enumerate() {
        if c.is_ascii_uppercase() && at > 0 {
            out.push('-');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}

pub(super) fn encryption(property: &Value) -> Value {
    let rules = each(property.get("ServerSideEncryptionConfiguration")).map(|rule| {
        let mut out = Map::new();
        if let Some(default) = rule.get("ServerSideEncryptionByDefault") {
            out.insert("ApplyServerSideEncryptionByDefault".to_owned(), default.clone());
        }
        if let Some(key) = rule.get("BucketKeyEnabled") {
            out.insert("BucketKeyEnabled".to_owned(), key.clone());
        }
        Value::Object(out)
    });
    json!({"Rules": rules.collect::<Vec<_>>()})
}

pub(super) fn cors(property: &Value) -> Result<Value, ServiceError> {
    let names = [
        ("AllowedHeaders", "AllowedHeaders"),
        ("AllowedMethods", "AllowedMethods"),
        ("AllowedOrigins", "AllowedOrigins"),
        ("ExposedHeaders", "ExposeHeaders"),
        ("Id", "ID"),
        ("MaxAge", "MaxAgeSeconds"),
    ];
    let rules = each(property.get("CorsRules")).map(|rule| {
        let rule = renamed(rule, "CorsConfiguration", &names)?;
        Ok(Value::Object(rule))
    });
    Ok(json!({"CORSRules": rules.collect::<Result<Vec<_>, ServiceError>>()?}))
}

pub(super) fn website(property: &Value) -> Result<Value, ServiceError> {
    let names = ["ErrorDocument", "IndexDocument", "RedirectAllRequestsTo", "RoutingRules"];
    let mut out = renamed(property, "WebsiteConfiguration", &names.map(|name| (name, name)))?;
    for (document, member) in [("ErrorDocument", "Key"), ("IndexDocument", "Suffix")] {
        if let Some(name) = property.get(document) {
            out.insert(document.to_owned(), json!({member: name}));
        }
    }
    let rules = each(property.get("RoutingRules")).map(|rule| {
        let names = [("RedirectRule", "Redirect"), ("RoutingRuleCondition", "Condition")];
        let mut rule = renamed(rule, "WebsiteConfiguration", &names)?;
        rule.values_mut().for_each(texts);
        Ok(Value::Object(rule))
    });
    let rules = rules.collect::<Result<Vec<_>, ServiceError>>()?;
    out.remove("RoutingRules");
    if !rules.is_empty() {
        out.insert("RoutingRules".to_owned(), rules.into());
    }
    Ok(out.into())
}

pub(super) fn object_lock(property: &Value) -> Value {
    let mut out = property.clone();
    if let Some(default) = out.pointer_mut("/Rule/DefaultRetention") {
        *default = numbers(default);
    }
    out
}

/// Codes are texts for the operation, and may be numbers in a template.
fn texts(part: &mut Value) {
    for value in part.as_object_mut().into_iter().flat_map(Map::values_mut) {
        if value.is_number() {
            *value = value.to_string().into();
        }
    }
}

/// Templates name one event for each entry.
pub(super) fn notification(property: &Value) -> Result<Value, ServiceError> {
    let entries = |list: &str, from: &str, to: &str| {
        let names = [("Event", "Events"), ("Filter", "Filter"), (from, to)];
        let all = each(property.get(list)).map(|entry| {
            let mut entry = renamed(entry, list, &names)?;
            if let Some(event) = entry.remove("Events") {
                entry.insert("Events".to_owned(), json!([event]));
            }
            if let Some(filter) = entry.remove("Filter") {
                let rules = filter.pointer("/S3Key/Rules").cloned().unwrap_or_else(|| json!([]));
                entry.insert("Filter".to_owned(), json!({"Key": {"FilterRules": rules}}));
            }
            Ok(Value::Object(entry))
        });
        all.collect::<Result<Vec<Value>, ServiceError>>()
    };
    let mut out = Map::new();
    for (list, from, name, to) in [
        ("LambdaConfigurations", "Function", "LambdaFunctionConfigurations", "LambdaFunctionArn"),
        ("QueueConfigurations", "Queue", "QueueConfigurations", "QueueArn"),
        ("TopicConfigurations", "Topic", "TopicConfigurations", "TopicArn"),
    ] {
        let all = entries(list, from, to)?;
        if !all.is_empty() {
            out.insert(name.to_owned(), all.into());
        }
    }
    let bridge = property.get("EventBridgeConfiguration").filter(|bridge| !bridge.is_null());
    let enabled = bridge.map(|bridge| bridge.get("EventBridgeEnabled"));
    if enabled.is_some_and(|enabled| enabled.is_none_or(|on| on != false && on != "false")) {
        out.insert("EventBridgeConfiguration".to_owned(), json!({}));
    }
    Ok(out.into())
}

pub(super) fn lifecycle(property: &Value) -> Result<Value, ServiceError> {
    let rules = each(property.get("Rules")).map(lifecycle_rule);
    Ok(json!({"Rules": rules.collect::<Result<Vec<_>, ServiceError>>()?}))
}

const RULE: [(&str, &str); 19] = [
    ("AbortIncompleteMultipartUpload", "AbortIncompleteMultipartUpload"),
    ("ExpirationDate", "ExpirationDate"),
    ("ExpirationInDays", "ExpirationInDays"),
    ("ExpiredObjectDeleteMarker", "ExpiredObjectDeleteMarker"),
    ("Id", "ID"),
    ("NoncurrentVersionExpiration", "NoncurrentVersionExpiration"),
    ("NoncurrentVersionExpirationInDays", "NoncurrentVersionExpirationInDays"),
    ("NoncurrentVersionTransition", "NoncurrentVersionTransition"),
    ("NoncurrentVersionTransitions", "NoncurrentVersionTransitions"),
    ("ObjectSizeGreaterThan", "ObjectSizeGreaterThan"),
    ("ObjectSizeLessThan", "ObjectSizeLessThan"),
    ("Prefix", "Prefix"),
    ("Status", "Status"),
    ("TagFilters", "Tags"),
    ("Transition", "Transition"),
    ("Transitions", "Transitions"),
    ("TransitionDate", "TransitionDate"),
    ("TransitionInDays", "TransitionInDays"),
    ("StorageClass", "StorageClass"),
];

fn lifecycle_rule(rule: &Value) -> Result<Value, ServiceError> {
    let flat = renamed(rule, "LifecycleConfiguration", &RULE)?;
    let mut out = Map::new();
    for name in ["ID", "Status", "AbortIncompleteMultipartUpload"] {
        if let Some(value) = flat.get(name) {
            out.insert(name.to_owned(), numbers(value));
        }
    }
    // An id may be all digits and is text nevertheless.
    if let Some(id) = rule.get("Id") {
        out.insert("ID".to_owned(), id.clone());
    }
    let expiration = picked(
        &flat,
        &[
            ("ExpirationInDays", "Days"),
            ("ExpirationDate", "Date"),
            ("ExpiredObjectDeleteMarker", "ExpiredObjectDeleteMarker"),
        ],
    );
    if !expiration.is_empty() {
        out.insert("Expiration".to_owned(), expiration.into());
    }
    if let Some(expiration) = flat.get("NoncurrentVersionExpiration") {
        out.insert("NoncurrentVersionExpiration".to_owned(), numbers(expiration));
    } else if let Some(days) = flat.get("NoncurrentVersionExpirationInDays") {
        out.insert("NoncurrentVersionExpiration".to_owned(), json!({"NoncurrentDays": days}));
    }
    let current = [
        ("StorageClass", "StorageClass"),
        ("TransitionDate", "Date"),
        ("TransitionInDays", "Days"),
    ];
    transitions(&flat, "Transition", "Transitions", &current, &mut out)?;
    let noncurrent = [
        ("NewerNoncurrentVersions", "NewerNoncurrentVersions"),
        ("StorageClass", "StorageClass"),
        ("TransitionInDays", "NoncurrentDays"),
    ];
    transitions(
        &flat,
        "NoncurrentVersionTransition",
        "NoncurrentVersionTransitions",
        &noncurrent,
        &mut out,
    )?;
    out.insert("Filter".to_owned(), filter(rule, &flat));
    Ok(out.into())
}

fn picked(flat: &Map<String, Value>, names: &[(&str, &str)]) -> Map<String, Value> {
    let found =
        names.iter().filter_map(|(from, to)| Some(((*to).to_owned(), flat.get(*from)?.clone())));
    found.collect()
}

fn numbers(value: &Value) -> Value {
    match value {
        Value::Object(map) => map.iter().map(|(k, v)| (k.clone(), number(v))).collect(),
        value => value.clone(),
    }
}

fn transitions(
    flat: &Map<String, Value>,
    one: &str,
    many: &str,
    names: &[(&str, &str)],
    out: &mut Map<String, Value>,
) -> Result<(), ServiceError> {
    let all = flat.get(one).into_iter().chain(each(flat.get(many)));
    let all = all.map(|transition| Ok(Value::Object(renamed(transition, one, names)?)));
    let all = all.collect::<Result<Vec<_>, ServiceError>>()?;
    if !all.is_empty() {
        out.insert(many.to_owned(), all.into());
    }
    Ok(())
}

/// One condition stands by itself, several in an `And`.
fn filter(rule: &Value, flat: &Map<String, Value>) -> Value {
    let mut parts = picked(
        flat,
        &[
            ("ObjectSizeGreaterThan", "ObjectSizeGreaterThan"),
            ("ObjectSizeLessThan", "ObjectSizeLessThan"),
        ],
    );
    if let Some(prefix) = rule.get("Prefix") {
        parts.insert("Prefix".to_owned(), prefix.clone());
    }
    let tags: Vec<Value> = each(rule.get("TagFilters")).cloned().collect();
    match (tags.as_slice(), parts.len()) {
        ([], 0) => json!({"Prefix": ""}),
        ([], 1) => parts.into(),
        ([tag], 0) => json!({"Tag": tag}),
        _ => {
            if !tags.is_empty() {
                parts.insert("Tags".to_owned(), tags.into());
            }
            json!({"And": parts})
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canned_lists_are_renamed() {
        assert_eq!(canned("Private"), "private");
        assert_eq!(canned("LogDeliveryWrite"), "log-delivery-write");
    }

    #[test]
    fn a_rule_of_the_cdk_bootstrap_template_is_understood() {
        let rule = json!({"Id": "CleanupOldVersions", "Status": "Enabled",
            "NoncurrentVersionExpiration": {"NoncurrentDays": "30"}});
        let expected = json!({"ID": "CleanupOldVersions", "Status": "Enabled",
            "NoncurrentVersionExpiration": {"NoncurrentDays": 30}, "Filter": {"Prefix": ""}});
        assert_eq!(lifecycle_rule(&rule).unwrap(), expected);
    }

    #[test]
    fn several_conditions_become_an_and() {
        let rule = json!({"Status": "Enabled", "Prefix": "tmp/", "ExpirationInDays": 1,
            "TagFilters": [{"Key": "a", "Value": "b"}]});
        let rule = lifecycle_rule(&rule).unwrap();
        assert_eq!(
            rule["Filter"],
            json!({"And": {"Prefix": "tmp/", "Tags": [{"Key": "a", "Value": "b"}]}})
        );
        assert_eq!(rule["Expiration"], json!({"Days": 1}));
    }

    #[test]
    fn notifications_are_renamed() {
        let property = json!({
            "LambdaConfigurations": [{"Event": "s3:ObjectCreated:*", "Function": "arn",
                "Filter": {"S3Key": {"Rules": [{"Name": "suffix", "Value": ".jpg"}]}}}],
            "EventBridgeConfiguration": {"EventBridgeEnabled": true},
        });
        let expected = json!({
            "LambdaFunctionConfigurations": [{"Events": ["s3:ObjectCreated:*"],
                "LambdaFunctionArn": "arn",
                "Filter": {"Key": {"FilterRules": [{"Name": "suffix", "Value": ".jpg"}]}}}],
            "EventBridgeConfiguration": {},
        });
        assert_eq!(notification(&property).unwrap(), expected);
        assert_eq!(notification(&Value::Null).unwrap(), json!({}));
    }

    #[test]
    fn what_is_unknown_is_refused_by_name() {
        let error = lifecycle_rule(&json!({"Status": "Enabled", "Colour": "red"})).unwrap_err();
        assert!(error.message().contains("Colour"));
    }
}
