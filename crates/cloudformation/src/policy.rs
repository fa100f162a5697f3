//! Stack policies: which resources an update may change. Pure functions.

use undercast_smithy::Document;

use crate::template::model::plain;

const POLICY_BYTES_MAX: usize = 16_384;
const PREFIX: &str = "LogicalResourceId/";

/// What an update does to a resource that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Does {
    Modify,
    Replace,
    Delete,
}

impl Does {
    fn action(self) -> &'static str {
        match self {
            Self::Modify => "Update:Modify",
            Self::Replace => "Update:Replace",
            Self::Delete => "Update:Delete",
        }
    }
}

/// Whether the text is a policy; the error is AWS's.
pub(crate) fn check(text: &str) -> Result<(), String> {
    let invalid = |why: &str| format!("Error validating stack policy: {why}");
    if text.len() > POLICY_BYTES_MAX {
        return Err(invalid("Stack policy is too long"));
    }
    let policy: Document =
        serde_json::from_str(text).map_err(|_| invalid("Invalid stack policy"))?;
    let statements = statements(&policy);
    if statements.is_empty() {
        return Err(invalid("Invalid stack policy"));
    }
    for statement in statements {
        let effect = statement.get("Effect").and_then(Document::as_str).unwrap_or_default();
        if !["Allow", "Deny"].contains(&effect) {
            return Err(invalid("Invalid stack policy"));
        }
        let principal = statement.get("Principal");
        let principal = principal.and_then(|p| p.get("AWS").or(Some(p)));
        if principal.is_some_and(|p| plain(p) != "*") {
            return Err(invalid("Unknown principal"));
        }
        let actions = statement.get("Action").or_else(|| statement.get("NotAction"));
        for action in actions.map(texts).unwrap_or_default() {
            let verb = action.strip_prefix("Update:").unwrap_or_default();
            if !["Modify", "Replace", "Delete", "*"].contains(&verb) && action != "*" {
                return Err(invalid("Invalid action in policy"));
            }
        }
        for name in ["Resource", "NotResource"] {
            let named = statement.get(name).map(texts).unwrap_or_default();
            if named.iter().any(|name| name != "*" && !name.starts_with(PREFIX)) {
                return Err(invalid("Invalid resource in policy"));
            }
        }
    }
    Ok(())
}

/// Whether the policy lets an update do that; the error is the reason of the failed resource.
pub(crate) fn allows(policy: &str, does: Does, logical_id: &str, kind: &str) -> Result<(), String> {
    let policy: Document = serde_json::from_str(policy).unwrap_or_default();
    let mut allowed = false;
    for (number, statement) in statements(&policy).into_iter().enumerate() {
        if !applies(statement, does, logical_id, kind) {
            continue;
        }
        if statement.get("Effect").and_then(Document::as_str) == Some("Deny") {
            return Err(format!(
                "Action denied by stack policy: Statement [#{}] does not allow [{}] for resource [{logical_id}]",
                number + 1,
                does.action()
            ));
        }
        allowed = true;
    }
    match allowed {
        true => Ok(()),
        false => Err(format!(
            "Action not allowed by stack policy: no statement allows [{}] for resource [{logical_id}]",
            does.action()
        )),
    }
}

fn statements(policy: &Document) -> Vec<&Document> {
    match policy.get("Statement") {
        Some(Document::Array(statements)) => statements.iter().collect(),
        Some(statement @ Document::Object(_)) => vec![statement],
        _ => Vec::new(),
    }
}

fn texts(value: &Document) -> Vec<String> {
    match value {
        Document::Array(values) => values.iter().map(plain).collect(),
        one => vec![plain(one)],
    }
}

fn applies(statement: &Document, does: Does, logical_id: &str, kind: &str) -> bool {
    let named = |name: &str, value: &str| {
        statement.get(name).map(|of| texts(of).iter().any(|pattern| matches(pattern, value)))
    };
    let either = |name: &str, value: &str| match named(name, value) {
        Some(yes) => yes,
        None => named(&format!("Not{name}"), value).is_some_and(|yes| !yes),
    };
    let condition = |operator: &str, by: fn(&str, &str) -> bool| {
        let wanted = statement.get("Condition").and_then(|c| c.get(operator));
        let wanted = wanted.and_then(|c| c.get("ResourceType"));
        wanted.is_none_or(|wanted| texts(wanted).iter().any(|pattern| by(pattern, kind)))
    };
    either("Action", does.action())
        && either("Resource", &format!("{PREFIX}{logical_id}"))
        && condition("StringEquals", |a, b| a == b)
        && condition("StringLike", matches)
}

/// `*` is any text.
fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else {
        return false;
    };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.find(part).and_then(|at| rest.get(at + part.len()..)) {
            Some(tail) => rest = tail,
            None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: &str = r#"{"Statement": [
        {"Effect": "Allow", "Action": "Update:*", "Principal": "*", "Resource": "*"},
        {"Effect": "Deny", "Action": ["Update:Replace", "Update:Delete"], "Principal": "*", "Resource": "*",
         "Condition": {"StringLike": {"ResourceType": ["AWS::DynamoDB::*"]}}},
        {"Effect": "Deny", "NotAction": "Update:Modify", "Principal": "*", "NotResource": "LogicalResourceId/Free*"}
    ]}"#;

    #[test]
    fn a_denial_wins_and_says_which_statement() {
        assert!(check(POLICY).is_ok());
        assert!(allows(POLICY, Does::Modify, "T", "AWS::DynamoDB::Table").is_ok());
        let denied = allows(POLICY, Does::Replace, "FreeTable", "AWS::DynamoDB::Table");
        assert!(denied.unwrap_err().contains("Statement [#2] does not allow [Update:Replace]"));
        assert!(allows(POLICY, Does::Delete, "FreeQueue", "AWS::SQS::Queue").is_ok());
        assert!(allows(POLICY, Does::Delete, "Queue", "AWS::SQS::Queue").is_err());
    }

    #[test]
    fn what_nothing_allows_is_denied() {
        let policy = r#"{"Statement": {"Effect": "Allow", "Action": "Update:*", "Principal": "*", "Resource": "LogicalResourceId/A"}}"#;
        assert!(allows(policy, Does::Modify, "A", "X").is_ok());
        assert!(allows(policy, Does::Modify, "AB", "X").is_err());
    }

    #[test]
    fn bad_policies_are_refused() {
        for bad in [
            "",
            "{}",
            r#"{"Statement": [{"Effect": "Perhaps"}]}"#,
            r#"{"Statement": [{"Effect": "Allow", "Principal": "me", "Action": "Update:*", "Resource": "*"}]}"#,
            r#"{"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "Delete:*", "Resource": "*"}]}"#,
            r#"{"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "Update:*", "Resource": "A"}]}"#,
        ] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }
}
