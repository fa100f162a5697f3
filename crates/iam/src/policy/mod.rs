//! Policies: reading them, and deciding by them. Pure functions.

mod condition;
mod pattern;

use std::collections::BTreeMap;

use serde_json::Value;
use undercast_kernel::resource_policy::wildcard;

const DOCUMENT_DEPTH_MAX: usize = 32;

/// A policy that has been read.
#[derive(Debug, Clone)]
pub struct Policy {
    pub statements: Vec<Statement>,
}

#[derive(Debug, Clone)]
pub struct Statement {
    pub allow: bool,
    actions: Matcher,
    resources: Matcher,
    pub principals: Option<Value>,
    conditions: Value,
}

#[derive(Debug, Clone)]
enum Matcher {
    Any,
    Of(Vec<String>),
    AllBut(Vec<String>),
}

/// One question: may this be done?
#[derive(Debug, Clone)]
pub struct Question<'a> {
    pub action: &'a str,
    pub resource: &'a str,
    /// Condition keys in lower case.
    pub context: &'a BTreeMap<String, Vec<String>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Allow,
    /// Nothing allows it.
    Implicit,
    /// A statement forbids it.
    Explicit,
}

impl Policy {
    /// Reads a document; an error says what is wrong in AWS's words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let document: Value = serde_json::from_str(text)
            .map_err(|_| "This policy contains invalid Json".to_owned())?;
        if depth(&document) > DOCUMENT_DEPTH_MAX {
            return Err("Syntax errors in policy.".to_owned());
        }
        let statements = match document.get("Statement") {
            Some(Value::Array(statements)) => statements.iter().collect(),
            Some(statement @ Value::Object(_)) => vec![statement],
            _ => return Err("Syntax errors in policy.".to_owned()),
        };
        let statements = statements.into_iter().map(statement).collect::<Result<_, _>>()?;
        Ok(Self { statements })
    }

    /// What this policy says alone.
    pub fn evaluate(&self, question: &Question<'_>) -> Verdict {
        let mut verdict = Verdict::Implicit;
        for statement in self.statements.iter().filter(|s| s.applies(question)) {
            if !statement.allow {
                return Verdict::Explicit;
            }
            verdict = Verdict::Allow;
        }
        verdict
    }
}

/// What several policies say together: an explicit denial wins, then any allowance.
pub fn evaluate<'a>(
    policies: impl IntoIterator<Item = &'a Policy>,
    question: &Question<'_>,
) -> Verdict {
    let mut verdict = Verdict::Implicit;
    for policy in policies {
        match policy.evaluate(question) {
            Verdict::Explicit => return Verdict::Explicit,
            Verdict::Allow => verdict = Verdict::Allow,
            Verdict::Implicit => {}
        }
    }
    verdict
}

impl Statement {
    fn applies(&self, question: &Question<'_>) -> bool {
        self.actions.matches(question.action, true, question.context)
            && self.resources.matches(question.resource, false, question.context)
            && condition::holds(&self.conditions, question.context)
    }

    /// Whether a trust policy's principal names one of `who` (ARNs, account ids, service names).
    pub fn trusts(
        &self,
        action: &str,
        who: &[String],
        context: &BTreeMap<String, Vec<String>>,
    ) -> bool {
        let named = match &self.principals {
            Some(Value::String(any)) => any == "*",
            Some(Value::Object(kinds)) => kinds.values().flat_map(strings).any(|name| {
                name == "*"
                    || who.iter().any(|w| *w == name || account_root(&name) == Some(w.as_str()))
            }),
            _ => false,
        };
        named
            && self.actions.matches(action, true, context)
            && condition::holds(&self.conditions, context)
    }
}

/// The account that `arn:aws:iam::123456789012:root` stands for.
fn account_root(arn: &str) -> Option<&str> {
    arn.strip_prefix("arn:aws:iam::")?.strip_suffix(":root")
}

impl Matcher {
    fn matches(
        &self,
        text: &str,
        fold_case: bool,
        context: &BTreeMap<String, Vec<String>>,
    ) -> bool {
        let any = |patterns: &[String]| {
            patterns.iter().any(|pattern| {
                let pattern = pattern::variables(pattern, context);
                if fold_case {
                    wildcard(&pattern.to_lowercase(), &text.to_lowercase())
                } else {
                    wildcard(&pattern, text)
                }
            })
        };
        match self {
            Self::Any => true,
            Self::Of(patterns) => any(patterns),
            Self::AllBut(patterns) => !any(patterns),
        }
    }
}

fn statement(value: &Value) -> Result<Statement, String> {
    let allow = match value.get("Effect").and_then(Value::as_str) {
        Some("Allow") => true,
        Some("Deny") => false,
        _ => return Err("Syntax errors in policy.".to_owned()),
    };
    let matcher = |of: &str, not: &str| match (value.get(of), value.get(not)) {
        (Some(of), None) => Ok(Matcher::Of(strings(of))),
        (None, Some(not)) => Ok(Matcher::AllBut(strings(not))),
        (None, None) => Ok(Matcher::Any),
        (Some(_), Some(_)) => Err("Syntax errors in policy.".to_owned()),
    };
    let actions = matcher("Action", "NotAction")?;
    if matches!(actions, Matcher::Any) {
        return Err("Policy statement must contain actions.".to_owned());
    }
    let resources = matcher("Resource", "NotResource")?;
    let principals = value.get("Principal").or(value.get("NotPrincipal")).cloned();
    if matches!(resources, Matcher::Any) && principals.is_none() {
        return Err("Policy statement must contain resources.".to_owned());
    }
    let conditions = value.get("Condition").cloned().unwrap_or_default();
    Ok(Statement { allow, actions, resources, principals, conditions })
}

fn strings(value: &Value) -> Vec<String> {
    match value {
        Value::String(one) => vec![one.clone()],
        Value::Array(many) => many.iter().filter_map(|v| v.as_str().map(str::to_owned)).collect(),
        _ => Vec::new(),
    }
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(values) => 1 + values.iter().map(depth).max().unwrap_or(0),
        Value::Object(entries) => 1 + entries.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(policy: &str, action: &str, resource: &str, context: &[(&str, &str)]) -> Verdict {
        let context =
            context.iter().map(|(k, v)| (k.to_lowercase(), vec![(*v).to_owned()])).collect();
        Policy::parse(policy).unwrap().evaluate(&Question { action, resource, context: &context })
    }

    #[test]
    fn allow_deny_and_silence() {
        let policy = r#"{"Statement": [
            {"Effect": "Allow", "Action": "sqs:Send*", "Resource": "arn:aws:sqs:*:*:orders"},
            {"Effect": "Deny", "Action": "sqs:SendMessageBatch", "Resource": "*"}]}"#;
        let queue = "arn:aws:sqs:eu-west-1:1:orders";
        assert_eq!(ask(policy, "sqs:SendMessage", queue, &[]), Verdict::Allow);
        assert_eq!(ask(policy, "SQS:sendmessage", queue, &[]), Verdict::Allow);
        assert_eq!(ask(policy, "sqs:SendMessageBatch", queue, &[]), Verdict::Explicit);
        assert_eq!(ask(policy, "sqs:ReceiveMessage", queue, &[]), Verdict::Implicit);
        assert_eq!(
            ask(policy, "sqs:SendMessage", "arn:aws:sqs:eu-west-1:1:other", &[]),
            Verdict::Implicit
        );
    }

    #[test]
    fn not_action_not_resource_and_variables() {
        let policy = r#"{"Statement": {"Effect": "Allow", "NotAction": "iam:*", "Resource": "arn:aws:s3:::home/${aws:username}/*"}}"#;
        assert_eq!(
            ask(policy, "s3:GetObject", "arn:aws:s3:::home/ann/x", &[("aws:username", "ann")]),
            Verdict::Allow
        );
        assert_eq!(
            ask(policy, "s3:GetObject", "arn:aws:s3:::home/bob/x", &[("aws:username", "ann")]),
            Verdict::Implicit
        );
        assert_eq!(
            ask(policy, "iam:GetUser", "arn:aws:s3:::home/ann/x", &[("aws:username", "ann")]),
            Verdict::Implicit
        );
    }

    #[test]
    fn conditions_narrow_a_statement() {
        let policy = |condition: &str| {
            format!(
                r#"{{"Statement": [{{"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {condition}}}]}}"#
            )
        };
        let yes = |condition: &str, context: &[(&str, &str)]| {
            ask(&policy(condition), "a:B", "r", context) == Verdict::Allow
        };
        assert!(yes(
            r#"{"StringEquals": {"aws:RequestedRegion": ["eu-west-1", "us-east-1"]}}"#,
            &[("aws:RequestedRegion", "us-east-1")]
        ));
        assert!(!yes(r#"{"StringEquals": {"aws:RequestedRegion": "eu-west-1"}}"#, &[]));
        assert!(yes(r#"{"StringEqualsIfExists": {"aws:RequestedRegion": "eu-west-1"}}"#, &[]));
        assert!(yes(r#"{"StringNotEquals": {"k": "v"}}"#, &[]));
        assert!(yes(
            r#"{"ArnLike": {"aws:SourceArn": "arn:aws:execute-api:*:*:abc/*"}}"#,
            &[("aws:SourceArn", "arn:aws:execute-api:r:1:abc/GET/x")]
        ));
        assert!(yes(r#"{"NumericLessThan": {"n": "5"}}"#, &[("n", "4.5")]));
        assert!(!yes(r#"{"NumericLessThan": {"n": 5}}"#, &[("n", "5")]));
        assert!(yes(
            r#"{"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}"#,
            &[("aws:SourceIp", "10.1.2.3")]
        ));
        assert!(!yes(
            r#"{"NotIpAddress": {"aws:SourceIp": "10.0.0.0/8"}}"#,
            &[("aws:SourceIp", "10.1.2.3")]
        ));
        assert!(yes(r#"{"Null": {"k": "true"}}"#, &[]));
        assert!(yes(
            r#"{"Bool": {"aws:SecureTransport": "true"}}"#,
            &[("aws:SecureTransport", "true")]
        ));
        assert!(!yes(r#"{"NoSuchOperator": {"k": "v"}}"#, &[("k", "v")]));
    }

    #[test]
    fn documents_that_are_no_policies() {
        assert_eq!(Policy::parse("{").unwrap_err(), "This policy contains invalid Json");
        assert!(Policy::parse("{}").is_err());
        assert_eq!(
            Policy::parse(r#"{"Statement": [{"Effect": "Allow", "Action": "a:b"}]}"#).unwrap_err(),
            "Policy statement must contain resources."
        );
        assert!(
            Policy::parse(
                r#"{"Statement": [{"Effect": "Maybe", "Action": "a:b", "Resource": "*"}]}"#
            )
            .is_err()
        );
    }
}
