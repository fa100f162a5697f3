//! The policy of a form: what its fields may say, how large its file may be, and until when.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::Value;
use undercast_kernel::ServiceError;
use undercast_smithy::Timestamp;

use super::form::Form;

/// A policy that has been read.
pub(super) struct Policy {
    expires_ms: i64,
    conditions: Vec<Condition>,
}

enum Condition {
    /// Field (in lower case) and what it must be.
    Is(String, String),
    StartsWith(String, String),
    Length(u64, u64),
}

fn invalid(why: &str) -> ServiceError {
    ServiceError::new("InvalidPolicyDocument", format!("Invalid Policy: {why}"))
}

fn denied(why: &str) -> ServiceError {
    ServiceError::new("AccessDenied", format!("Invalid according to Policy: {why}"))
        .with_status(403)
}

impl Policy {
    /// From base64.
    pub(super) fn parse(text: &str) -> Result<Self, ServiceError> {
        let compact: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
        let json = BASE64.decode(compact).map_err(|_| invalid("Invalid base64 encoding."))?;
        let policy: Value = serde_json::from_slice(&json).map_err(|_| invalid("Invalid JSON."))?;
        let expires = policy.get("expiration").and_then(Value::as_str);
        let expires = expires.ok_or_else(|| invalid("Policy missing expiration."))?;
        let expires = Timestamp::parse_iso8601(expires)
            .ok_or_else(|| invalid(&format!("Invalid 'expiration' value: '{expires}'")))?;
        let conditions = policy.get("conditions").and_then(Value::as_array);
        let conditions = conditions.ok_or_else(|| invalid("Policy missing conditions."))?;
        let mut read = Vec::new();
        for condition in conditions {
            condition_of(condition, &mut read)
                .ok_or_else(|| invalid(&format!("Invalid Simple-Condition: {condition}")))?;
        }
        Ok(Self { expires_ms: expires.millis(), conditions: read })
    }

    pub(super) fn length_range(&self) -> Option<(u64, u64)> {
        self.conditions.iter().find_map(|condition| match condition {
            Condition::Length(min, max) => Some((*min, *max)),
            _ => None,
        })
    }

    /// Whether the form says what it may, and nothing that the policy does not know of.
    pub(super) fn check(&self, form: &Form, bucket: &str, now_ms: i64) -> Result<(), ServiceError> {
        if self.expires_ms < now_ms {
            return Err(denied("Policy expired."));
        }
        let value = |name: &str| match name {
            "bucket" => bucket,
            name => form.field(name).unwrap_or_default(),
        };
        for condition in &self.conditions {
            let (holds, text) = match condition {
                Condition::Is(name, wanted) => {
                    (value(name) == wanted, serde_json::json!(["eq", format!("${name}"), wanted]))
                }
                Condition::StartsWith(name, start) => {
                    let text = serde_json::json!(["starts-with", format!("${name}"), start]);
                    (value(name).starts_with(start.as_str()), text)
                }
                Condition::Length(..) => continue,
            };
            if !holds {
                return Err(denied(&format!("Policy Condition failed: {text}")));
            }
        }
        let is_free = |name: &str| {
            name.starts_with("x-ignore-")
                || matches!(name, "policy" | "signature" | "awsaccesskeyid" | "x-amz-signature")
        };
        let is_named = |name: &str| {
            self.conditions.iter().any(|condition| match condition {
                Condition::Is(n, _) | Condition::StartsWith(n, _) => n == name,
                Condition::Length(..) => false,
            })
        };
        match form.fields.iter().find(|(name, _)| !is_free(name) && !is_named(name)) {
            Some((name, _)) => Err(denied(&format!("Extra input fields: {name}"))),
            None => Ok(()),
        }
    }
}

fn condition_of(condition: &Value, read: &mut Vec<Condition>) -> Option<()> {
    if let Value::Object(all) = condition {
        for (name, value) in all {
            read.push(Condition::Is(name.to_lowercase(), text(value)?));
        }
        return Some(());
    }
    let [kind, name, value] = condition.as_array()?.as_slice() else {
        return None;
    };
    let kind = kind.as_str()?.to_lowercase();
    if kind == "content-length-range" {
        let number = |value: &Value| value.as_u64().or_else(|| value.as_str()?.parse().ok());
        read.push(Condition::Length(number(name)?, number(value)?));
        return Some(());
    }
    let name = name.as_str()?.strip_prefix('$')?.to_lowercase();
    let value = text(value)?;
    read.push(match kind.as_str() {
        "eq" => Condition::Is(name, value),
        "starts-with" => Condition::StartsWith(name, value),
        _ => return None,
    });
    Some(())
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn policy(conditions: Value) -> Policy {
        let policy = json!({"expiration": "2030-01-01T00:00:00Z", "conditions": conditions});
        Policy::parse(&BASE64.encode(policy.to_string())).unwrap()
    }

    fn form(fields: &[(&str, &str)]) -> Form {
        let fields = fields.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        Form { fields, file: None }
    }

    #[test]
    fn fields_have_to_be_as_the_policy_says() {
        let policy = policy(json!([
            {"bucket": "b"}, ["starts-with", "$key", "user/"], {"acl": "private"},
            ["content-length-range", 1, "10"],
        ]));
        let check = |fields: &[(&str, &str)], bucket: &str, now_ms: i64| {
            policy.check(&form(fields), bucket, now_ms).map_err(|e| e.message().to_owned())
        };
        let good = [("key", "user/a"), ("acl", "private"), ("policy", "x"), ("x-ignore-me", "")];
        assert_eq!(check(&good, "b", 0), Ok(()));
        assert_eq!(policy.length_range(), Some((1, 10)));
        assert!(check(&good, "c", 0).unwrap_err().contains("$bucket"));
        assert!(check(&good, "b", 1 << 60).unwrap_err().contains("Policy expired."));
        assert!(check(&[("key", "other/a"), ("acl", "private")], "b", 0).is_err());
        let more = [("key", "user/a"), ("acl", "private"), ("x-amz-meta-a", "b")];
        assert!(check(&more, "b", 0).unwrap_err().contains("Extra input fields: x-amz-meta-a"));
    }

    #[test]
    fn what_is_no_policy_is_refused() {
        for text in ["%", "e30=", "W10="] {
            assert_eq!(Policy::parse(text).err().unwrap().code(), "InvalidPolicyDocument");
        }
    }
}
