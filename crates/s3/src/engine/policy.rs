//! What a bucket's policy allows to others than its owner. Statements with conditions allow nothing
//! here and deny everything that they name: the safe reading of what is not evaluated. And what the
//! policies of destinations allow to S3.

use serde_json::Value;
use undercast_kernel::Principal;
use undercast_kernel::resource_policy::{holds, wildcard};

pub(crate) fn allows(policy: &Value, principal: &Principal, action: &str, resource: &str) -> bool {
    let mut allowed = false;
    for statement in list(policy.get("Statement")) {
        let applies = who(statement, principal)
            && any(statement.get("Action"), action, true)
            && any(statement.get("Resource"), resource, false);
        if !applies {
            continue;
        }
        let conditional = statement.get("Condition").is_some();
        match statement.get("Effect").and_then(Value::as_str) {
            Some("Deny") => return false,
            Some("Allow") if !conditional => allowed = true,
            _ => {}
        }
    }
    allowed
}

/// Whether some statement lets somebody in, for whatever.
pub(crate) fn lets_in(policy: &Value, principal: &Principal) -> bool {
    list(policy.get("Statement")).iter().any(|statement| {
        who(statement, principal)
            && statement.get("Condition").is_none()
            && statement.get("Effect").and_then(Value::as_str) == Some("Allow")
    })
}

/// Whether the policy of a function or queue lets a service do something to it on behalf of a bucket,
/// which is named together with its account. Conditions of another kind never hold.
pub(crate) fn lets_service(
    policy: &Value,
    service: &str,
    action: &str,
    resource: &str,
    (bucket, account): (&str, &str),
) -> bool {
    let source = super::bucket::arn(bucket);
    let mut allowed = false;
    for statement in list(policy.get("Statement")) {
        let applies = serves(statement, service)
            && any(statement.get("Action"), action, true)
            && any(statement.get("Resource"), resource, false)
            && holds(statement.get("Condition"), &source, account);
        match statement.get("Effect").and_then(Value::as_str) {
            Some("Deny") if applies => return false,
            Some("Allow") if applies => allowed = true,
            _ => {}
        }
    }
    allowed
}

fn serves(statement: &Value, service: &str) -> bool {
    let Some(named) = statement.get("Principal") else {
        return false;
    };
    let everybody = |value: Option<&Value>| list(value).iter().any(|one| one == "*");
    everybody(Some(named))
        || everybody(named.get("AWS"))
        || list(named.get("Service")).iter().any(|one| one == service)
}

fn list(value: Option<&Value>) -> &[Value] {
    match value {
        Some(Value::Array(values)) => values,
        Some(value) => std::slice::from_ref(value),
        None => &[],
    }
}

fn who(statement: &Value, principal: &Principal) -> bool {
    let Some(named) = statement.get("Principal") else {
        return false;
    };
    if named.as_str() == Some("*") {
        return true;
    }
    let account = principal.account().unwrap_or_default();
    let arn = principal.arn();
    let role = match principal {
        Principal::Role { account, name, .. } => format!("arn:aws:iam::{account}:role/{name}"),
        _ => String::new(),
    };
    list(named.get("AWS")).iter().filter_map(Value::as_str).any(|one| {
        one == "*"
            || (!account.is_empty()
                && (one == account
                    || one == arn
                    || one == role
                    || one == format!("arn:aws:iam::{account}:root")))
    })
}

fn any(patterns: Option<&Value>, text: &str, ignore_case: bool) -> bool {
    list(patterns).iter().filter_map(Value::as_str).any(|pattern| {
        if ignore_case {
            wildcard(&pattern.to_ascii_lowercase(), &text.to_ascii_lowercase())
        } else {
            wildcard(pattern, text)
        }
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn patterns_match() {
        assert!(wildcard("arn:aws:s3:::b/*", "arn:aws:s3:::b/a/b"));
        assert!(wildcard("s3:get*", "s3:getobject"));
        assert!(wildcard("a?c*", "abc"));
        assert!(!wildcard("a?c", "ac"));
        assert!(!wildcard("arn:aws:s3:::b", "arn:aws:s3:::b/x"));
    }

    #[test]
    fn others_get_what_is_allowed_and_not_denied() {
        let statement = |effect: &str, condition: Option<Value>| {
            let mut statement = json!({
                "Effect": effect, "Principal": {"AWS": "arn:aws:iam::111111111111:root"},
                "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*",
            });
            if let Some(condition) = condition {
                statement["Condition"] = condition;
            }
            statement
        };
        let friend = Principal::Root { account: "111111111111".into() };
        let stranger = Principal::Root { account: "222222222222".into() };
        let check = |policy: &Value, who: &Principal| {
            allows(policy, who, "s3:GetObject", "arn:aws:s3:::b/k")
        };
        let allow = json!({"Statement": statement("Allow", None)});
        assert!(check(&allow, &friend));
        assert!(!check(&allow, &stranger));
        let conditional = json!({"Statement": [statement("Allow", Some(json!({})))]});
        assert!(!check(&conditional, &friend));
        let denied = json!({"Statement": [statement("Allow", None), statement("Deny", None)]});
        assert!(!check(&denied, &friend));
    }

    #[test]
    fn services_are_let_in_for_their_bucket() {
        let policy = |condition: Value| {
            json!({"Statement": [{"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"},
                "Action": "sqs:SendMessage", "Resource": "arn:aws:sqs:us-east-1:1:q", "Condition": condition}]})
        };
        let check = |policy: &Value, bucket: &str| {
            let queue = "arn:aws:sqs:us-east-1:1:q";
            lets_service(policy, "s3.amazonaws.com", "sqs:SendMessage", queue, (bucket, "1"))
        };
        let of_bucket = policy(json!({"ArnLike": {"aws:SourceArn": "arn:aws:s3:*:*:b"}}));
        assert!(check(&of_bucket, "b"));
        assert!(!check(&of_bucket, "c"));
        assert!(check(&policy(json!({"StringEquals": {"AWS:SourceAccount": "1"}})), "c"));
        assert!(!check(&policy(json!({"StringEquals": {"AWS:SourceAccount": "2"}})), "c"));
        assert!(!check(&policy(json!({"Bool": {"aws:SecureTransport": "true"}})), "b"));
        assert!(!check(&json!({}), "b"));
    }
}
