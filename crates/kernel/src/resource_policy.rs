//! Policies that services look at themselves: patterns and statements, and what a function's own policy says to services
//! that invoke it.

use serde_json::{Value, json};

use crate::{Context, Mode, ServiceError};

/// In secure mode, whether the policy of a function lets a service invoke it for `source`.
pub async fn may_invoke(
    ctx: &Context,
    function: &str,
    service: &str,
    source: &str,
) -> Result<(), ServiceError> {
    if ctx.kernel().settings().mode != Mode::Secure {
        return Ok(());
    }
    let name = json!({"FunctionName": function});
    let policy = match ctx.kernel().call(ctx, "lambda", "GetPolicy", &name).await {
        Ok(answer) => answer.get("Policy").and_then(Value::as_str).map(str::to_owned),
        Err(error) if error.code() == "ResourceNotFoundException" => None,
        Err(error) => return Err(error),
    };
    let policy: Option<Value> = policy.and_then(|text| serde_json::from_str(&text).ok());
    match policy.is_some_and(|policy| lets_invoke(&policy, service, source, ctx.account())) {
        true => Ok(()),
        false => Err(ServiceError::access_denied(format!(
            "the policy of {function} does not let {service} invoke it for {source}"
        ))),
    }
}

/// The texts of a member that is one or a list.
pub fn texts<'a>(statement: &'a Value, name: &str) -> Vec<&'a str> {
    match statement.get(name) {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

pub fn statements(policy: &Value) -> Vec<&Value> {
    match policy.get("Statement") {
        Some(Value::Array(all)) => all.iter().collect(),
        Some(one) => vec![one],
        None => Vec::new(),
    }
}

fn lets_invoke(policy: &Value, service: &str, source: &str, account: &str) -> bool {
    statements(policy).into_iter().any(|statement| {
        let services = texts(statement.get("Principal").unwrap_or(&Value::Null), "Service");
        let actions = texts(statement, "Action");
        let is_invoke =
            |action: &&str| wildcard(&action.to_ascii_lowercase(), "lambda:invokefunction");
        statement.get("Effect").and_then(Value::as_str) == Some("Allow")
            && services.contains(&service)
            && actions.iter().any(is_invoke)
            && holds(statement.get("Condition"), source, account)
    })
}

/// Whether every condition holds; one of a kind that is not known does not.
pub fn holds(condition: Option<&Value>, source: &str, account: &str) -> bool {
    let operators = condition.and_then(Value::as_object).into_iter().flatten();
    operators.into_iter().all(|(operator, keys)| {
        keys.as_object().into_iter().flatten().all(|(key, _)| {
            let wanted = texts(keys, key);
            let have = match key.to_ascii_lowercase().as_str() {
                "aws:sourcearn" => source,
                "aws:sourceaccount" => account,
                _ => return false,
            };
            match operator.as_str() {
                "ArnLike" | "ArnEquals" | "StringLike" => wanted.iter().any(|w| wildcard(w, have)),
                "StringEquals" => wanted.contains(&have),
                _ => false,
            }
        })
    })
}

/// Whether `text` matches `pattern`, in which `*` stands for any characters and `?` for one. Linear in
/// both but for the last `*`, to which it may come back.
pub fn wildcard(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                back = Some((p, t));
                p += 1;
            }
            Some(b'?') => {
                p += 1;
                t += 1;
            }
            Some(byte) if Some(byte) == text.get(t) => {
                p += 1;
                t += 1;
            }
            _ => match back {
                Some((star, from)) => {
                    back = Some((star, from + 1));
                    p = star + 1;
                    t = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern.get(p..).is_some_and(|rest| rest.iter().all(|b| *b == b'*'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_lets_the_named_service_in_for_the_named_source() {
        let of = |condition: Value| {
            let statement = json!({"Effect": "Allow", "Principal": {"Service": "logs.amazonaws.com"}, "Action": "lambda:InvokeFunction", "Condition": condition});
            lets_invoke(&json!({"Statement": [statement]}), "logs.amazonaws.com", "arn:a:b:c", "1")
        };
        assert!(of(json!({})));
        assert!(of(json!({"ArnLike": {"AWS:SourceArn": "arn:*:c"}})));
        assert!(of(json!({"StringEquals": {"AWS:SourceAccount": "1"}})));
        assert!(!of(json!({"ArnLike": {"AWS:SourceArn": "arn:*:d"}})));
        assert!(!of(json!({"StringEquals": {"AWS:SourceAccount": "2"}})));
        assert!(!of(json!({"NumericEquals": {"x": "2"}})));
        assert!(!lets_invoke(&json!({"Statement": []}), "logs.amazonaws.com", "a", "1"));
    }

    #[test]
    fn stars_fit() {
        for (pattern, text) in
            [("*", ""), ("a*c", "abbc"), ("*b*", "abc"), ("a", "a"), ("a**", "ab"), ("a?c", "abc")]
        {
            assert!(wildcard(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in
            [("a", "ab"), ("*b", "abc"), ("", "x"), ("ab*ba", "aba"), ("a?", "a")]
        {
            assert!(!wildcard(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn stars_and_question_marks() {
        assert!(wildcard("*", ""));
        assert!(wildcard("a*c", "abbbc"));
        assert!(wildcard("a*b*c", "axxbyyc"));
        assert!(!wildcard("a*c", "abd"));
        assert!(wildcard("a?c", "abc"));
        assert!(!wildcard("a?c", "ac"));
        assert!(wildcard("arn:*:x/*", "arn:aws:sqs:x/y/z"));
        assert!(!wildcard(&"a*".repeat(50), &"a".repeat(30).replace('a', "b")));
    }
}
