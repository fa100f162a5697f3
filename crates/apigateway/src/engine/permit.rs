//! The policy that a Lambda authorizer answers with.

use serde_json::Value;
use undercast_kernel::resource_policy::{statements, texts, wildcard};

/// Whether an authorizer's policy lets a request through to `arn`. Conditions are not looked at: they hold
/// where they deny and do not where they allow.
pub(crate) fn allows(policy: &Value, arn: &str) -> bool {
    let mut allowed = false;
    for statement in statements(policy) {
        let action = texts(statement, "Action");
        let is_ours = action.iter().any(|a| wildcard(&a.to_lowercase(), "execute-api:invoke"));
        let is_here = texts(statement, "Resource").iter().any(|r| wildcard(r, arn));
        if !is_ours || !is_here {
            continue;
        }
        match statement.get("Effect").and_then(Value::as_str) {
            Some("Deny") => return false,
            Some("Allow") if statement.get("Condition").is_none() => allowed = true,
            _ => {}
        }
    }
    allowed
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const ARN: &str = "arn:aws:execute-api:us-east-1:1:api/$default/GET/a/b";

    #[test]
    fn a_denial_is_stronger_than_everything() {
        let of = |statement: Value| allows(&json!({"Statement": statement}), ARN);
        let allow = json!({"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": "arn:aws:execute-api:*:*:api/*/GET/*"});
        assert!(of(allow.clone()));
        assert!(of(json!([allow])));
        assert!(!of(json!([allow, {"Effect": "Deny", "Action": "*", "Resource": [ARN]}])));
        assert!(!of(
            json!([{"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": "*", "Condition": {}}])
        ));
        assert!(!of(json!([{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}])));
        assert!(!of(json!([])));
    }
}
