//! Policies that front doors look at themselves: the one that a Lambda authorizer answers with, and the
//! one of a function that the API calls.

use serde_json::Value;

/// Whether a text fits a pattern with `*` and `?`.
pub(crate) fn fits(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(b'?') => (p, t) = (p + 1, t + 1),
            Some(c) if text.get(t) == Some(c) => (p, t) = (p + 1, t + 1),
            _ => match star {
                // The last star takes one character more.
                Some((at, taken)) => {
                    star = Some((at, taken + 1));
                    (p, t) = (at + 1, taken + 1);
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(p).all(|c| *c == b'*')
}

/// The texts of a member that is one or a list.
fn texts<'a>(statement: &'a Value, name: &str) -> Vec<&'a str> {
    match statement.get(name) {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

fn statements(policy: &Value) -> Vec<&Value> {
    match policy.get("Statement") {
        Some(Value::Array(all)) => all.iter().collect(),
        Some(one) => vec![one],
        None => Vec::new(),
    }
}

/// Whether an authorizer's policy lets a request through to `arn`. Conditions are not looked at: they hold
/// where they deny and do not where they allow.
pub(crate) fn allows(policy: &Value, arn: &str) -> bool {
    let mut allowed = false;
    for statement in statements(policy) {
        let action = texts(statement, "Action");
        let is_ours = action.iter().any(|a| fits(&a.to_lowercase(), "execute-api:invoke"));
        let is_here = texts(statement, "Resource").iter().any(|r| fits(r, arn));
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

/// Whether a function's policy lets API Gateway call it for `source`, an ARN of ours in `account`.
pub(crate) fn lets_call(policy: &Value, source: &str, account: &str) -> bool {
    statements(policy).into_iter().any(|statement| {
        let service = texts(statement.get("Principal").unwrap_or(&Value::Null), "Service");
        let action = texts(statement, "Action");
        let action = action.iter().any(|a| fits(&a.to_lowercase(), "lambda:invokefunction"));
        statement.get("Effect").and_then(Value::as_str) == Some("Allow")
            && service.contains(&"apigateway.amazonaws.com")
            && action
            && holds(statement.get("Condition"), source, account)
    })
}

/// Whether every condition holds; one of a kind that is not known does not.
fn holds(condition: Option<&Value>, source: &str, account: &str) -> bool {
    let operators = condition.and_then(Value::as_object).into_iter().flatten();
    operators.into_iter().all(|(operator, keys)| {
        keys.as_object().into_iter().flatten().all(|(key, _)| {
            let wanted = texts(keys, key);
            let have = match key.to_lowercase().as_str() {
                "aws:sourcearn" => source,
                "aws:sourceaccount" => account,
                _ => return false,
            };
            match operator.as_str() {
                "ArnLike" | "ArnEquals" | "StringLike" => wanted.iter().any(|w| fits(w, have)),
                "StringEquals" => wanted.contains(&have),
                _ => false,
            }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const ARN: &str = "arn:aws:execute-api:us-east-1:1:api/$default/GET/a/b";

    #[test]
    fn stars_and_marks_fit() {
        for (pattern, text) in
            [("*", ""), ("a*c", "abbc"), ("a?c", "abc"), ("*/GET/*", "x/GET/y"), ("a**", "a")]
        {
            assert!(fits(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [("a", "ab"), ("a?", "a"), ("*b", "abc"), ("", "x")] {
            assert!(!fits(pattern, text), "{pattern} {text}");
        }
    }

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

    #[test]
    fn functions_say_which_api_may_call() {
        let of = |condition: Value| {
            let statement = json!({"Effect": "Allow", "Principal": {"Service": "apigateway.amazonaws.com"}, "Action": "lambda:InvokeFunction", "Condition": condition});
            lets_call(&json!({"Statement": [statement]}), ARN, "1")
        };
        assert!(of(json!({})));
        assert!(of(
            json!({"ArnLike": {"AWS:SourceArn": "arn:aws:execute-api:us-east-1:1:api/*/*/a/*"}})
        ));
        assert!(of(
            json!({"StringEquals": {"AWS:SourceAccount": "1"}, "ArnLike": {"AWS:SourceArn": ARN}})
        ));
        assert!(!of(
            json!({"ArnLike": {"AWS:SourceArn": "arn:aws:execute-api:us-east-1:1:other/*"}})
        ));
        assert!(!of(json!({"StringEquals": {"AWS:SourceAccount": "2"}})));
        assert!(!of(json!({"Bool": {"lambda:InvokedViaFunctionUrl": "true"}})));
        let other = json!({"Statement": [{"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "*"}]});
        assert!(!lets_call(&other, ARN, "1"));
    }
}
