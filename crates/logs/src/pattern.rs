//! Filter patterns: terms (`error -debug ?warn "two words"`) and JSON selectors
//! (`{ $.status >= 500 && $.path = "/x*" }`).

use serde_json::Value;

const DEPTH_MAX: usize = 32;

/// A pattern that has been read.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Pattern {
    All,
    Terms { every: Vec<String>, any: Vec<String>, none: Vec<String> },
    Json(Condition),
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Condition {
    And(Box<Condition>, Box<Condition>),
    Or(Box<Condition>, Box<Condition>),
    Compare { path: Vec<String>, operator: &'static str, value: String, quoted: bool },
}

impl Pattern {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text.is_empty() {
            return Ok(Self::All);
        }
        if let Some(inner) = text.strip_prefix('{').and_then(|t| t.strip_suffix('}')) {
            let mut tokens = tokens(inner)?;
            tokens.reverse();
            let condition = either(&mut tokens, 0)?;
            return if tokens.is_empty() {
                Ok(Self::Json(condition))
            } else {
                Err("Invalid filter pattern".to_owned())
            };
        }
        if text.starts_with('[') {
            return Err(
                "space-delimited filter patterns are not implemented by Undercast".to_owned()
            );
        }
        Ok(terms(text))
    }

    pub(crate) fn matches(&self, message: &str) -> bool {
        match self {
            Self::All => true,
            Self::Terms { every, any, none } => {
                every.iter().all(|t| message.contains(t.as_str()))
                    && (any.is_empty() || any.iter().any(|t| message.contains(t.as_str())))
                    && !none.iter().any(|t| message.contains(t.as_str()))
            }
            Self::Json(condition) => {
                serde_json::from_str::<Value>(message).is_ok_and(|value| condition.holds(&value))
            }
        }
    }
}

fn terms(text: &str) -> Pattern {
    let (mut every, mut any, mut none) = (Vec::new(), Vec::new(), Vec::new());
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (list, body) = match rest.as_bytes().first() {
            Some(b'-') => (&mut none, rest.get(1..).unwrap_or_default()),
            Some(b'?') => (&mut any, rest.get(1..).unwrap_or_default()),
            _ => (&mut every, rest),
        };
        let (term, tail) = match body.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => body.split_once(char::is_whitespace).unwrap_or((body, "")),
        };
        if !term.is_empty() {
            list.push(term.to_owned());
        }
        rest = tail.trim_start();
    }
    Pattern::Terms { every, any, none }
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Open,
    Close,
    Word(String),
    Quoted(String),
    Operator(&'static str),
}

const OPERATORS: &[&str] = &["&&", "||", "!=", ">=", "<=", "=", ">", "<"];

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut out = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        if let Some(operator) = OPERATORS.iter().find(|o| rest.starts_with(**o)) {
            out.push(Token::Operator(operator));
            rest = rest.get(operator.len()..).unwrap_or_default();
        } else if first == '(' || first == ')' {
            out.push(if first == '(' { Token::Open } else { Token::Close });
            rest = rest.get(1..).unwrap_or_default();
        } else if let Some(quoted) = rest.strip_prefix('"') {
            let (word, tail) = quoted.split_once('"').ok_or("Invalid filter pattern")?;
            out.push(Token::Quoted(word.to_owned()));
            rest = tail;
        } else {
            let end = rest
                .find(|c: char| c.is_whitespace() || "()=<>!&|\"".contains(c))
                .filter(|end| *end > 0)
                .unwrap_or(rest.len());
            let (word, tail) = rest.split_at(end);
            out.push(Token::Word(word.to_owned()));
            rest = tail;
        }
        rest = rest.trim_start();
    }
    Ok(out)
}

fn either(tokens: &mut Vec<Token>, depth: usize) -> Result<Condition, String> {
    let mut left = both(tokens, depth)?;
    while tokens.last() == Some(&Token::Operator("||")) {
        tokens.pop();
        left = Condition::Or(Box::new(left), Box::new(both(tokens, depth)?));
    }
    Ok(left)
}

fn both(tokens: &mut Vec<Token>, depth: usize) -> Result<Condition, String> {
    let mut left = one(tokens, depth)?;
    while tokens.last() == Some(&Token::Operator("&&")) {
        tokens.pop();
        left = Condition::And(Box::new(left), Box::new(one(tokens, depth)?));
    }
    Ok(left)
}

fn one(tokens: &mut Vec<Token>, depth: usize) -> Result<Condition, String> {
    let wrong = || "Invalid filter pattern".to_owned();
    if depth > DEPTH_MAX {
        return Err(wrong());
    }
    match tokens.pop() {
        Some(Token::Open) => {
            let inner = either(tokens, depth + 1)?;
            if tokens.pop() == Some(Token::Close) { Ok(inner) } else { Err(wrong()) }
        }
        Some(Token::Word(path)) if path.starts_with('$') => {
            let path = path.trim_start_matches('$').split('.').filter(|p| !p.is_empty());
            let path = path.map(str::to_owned).collect();
            match (tokens.pop(), tokens.pop()) {
                (Some(Token::Operator(operator)), Some(Token::Word(value))) => {
                    Ok(Condition::Compare { path, operator, value, quoted: false })
                }
                (Some(Token::Operator(operator)), Some(Token::Quoted(value))) => {
                    Ok(Condition::Compare { path, operator, value, quoted: true })
                }
                (Some(Token::Word(verb)), Some(Token::Word(what))) => {
                    let operator =
                        match (verb.to_uppercase().as_str(), what.to_uppercase().as_str()) {
                            ("IS", "TRUE") => "IS TRUE",
                            ("IS", "FALSE") => "IS FALSE",
                            ("IS", "NULL") => "IS NULL",
                            ("NOT", "EXISTS") => "NOT EXISTS",
                            _ => return Err(wrong()),
                        };
                    Ok(Condition::Compare { path, operator, value: String::new(), quoted: false })
                }
                _ => Err(wrong()),
            }
        }
        _ => Err(wrong()),
    }
}

impl Condition {
    fn holds(&self, value: &Value) -> bool {
        match self {
            Self::And(a, b) => a.holds(value) && b.holds(value),
            Self::Or(a, b) => a.holds(value) || b.holds(value),
            Self::Compare { path, operator, value: wanted, quoted } => {
                let found = path.iter().try_fold(value, |value, part| step(value, part));
                compare(found, operator, wanted, *quoted)
            }
        }
    }
}

/// A member, or `name[0]`.
fn step<'a>(value: &'a Value, part: &str) -> Option<&'a Value> {
    match part.split_once('[') {
        None => value.get(part),
        Some((name, index)) => {
            let index: usize = index.trim_end_matches(']').parse().ok()?;
            value.get(name)?.get(index)
        }
    }
}

fn compare(found: Option<&Value>, operator: &str, wanted: &str, quoted: bool) -> bool {
    match operator {
        "NOT EXISTS" => return found.is_none(),
        "IS NULL" => return found.is_some_and(Value::is_null),
        "IS TRUE" => return found == Some(&Value::Bool(true)),
        "IS FALSE" => return found == Some(&Value::Bool(false)),
        _ => {}
    }
    let Some(found) = found else { return false };
    let numbers = found.as_f64().zip(wanted.parse::<f64>().ok().filter(|_| !quoted));
    match (operator, numbers) {
        ("=", Some((a, b))) => a == b,
        ("!=", Some((a, b))) => a != b,
        (">", Some((a, b))) => a > b,
        (">=", Some((a, b))) => a >= b,
        ("<", Some((a, b))) => a < b,
        ("<=", Some((a, b))) => a <= b,
        ("=" | "!=", None) => {
            let text = found.as_str().map_or_else(|| found.to_string(), str::to_owned);
            wildcard(wanted, &text) == (operator == "=")
        }
        _ => false,
    }
}

/// `*` at either end stands for anything.
fn wildcard(pattern: &str, text: &str) -> bool {
    match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
        (Some(rest), Some(_)) => text.contains(rest.strip_suffix('*').unwrap_or_default()),
        (Some(end), None) => text.ends_with(end),
        (None, Some(start)) => text.starts_with(start),
        (None, None) => pattern == text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn yes(pattern: &str, message: &str) -> bool {
        Pattern::parse(pattern).unwrap().matches(message)
    }

    #[test]
    fn terms_and_their_marks() {
        assert!(yes("", "anything"));
        assert!(yes("ERROR code", "ERROR: code 5"));
        assert!(!yes("ERROR code", "ERROR only"));
        assert!(yes("?ERROR ?WARN", "a WARN"));
        assert!(!yes("ERROR -benign", "ERROR benign"));
        assert!(yes("\"two words\"", "some two words here"));
    }

    #[test]
    fn json_selectors() {
        let event = r#"{"status": 503, "path": "/orders/1", "user": {"id": "u1"}, "tags": ["a"], "gone": null, "ok": false}"#;
        assert!(yes("{ $.status >= 500 && $.path = \"/orders*\" }", event));
        assert!(!yes("{ $.status = 200 }", event));
        assert!(yes("{ ($.status = 200) || ($.user.id = u1) }", event));
        assert!(yes("{ $.tags[0] = a }", event));
        assert!(yes("{ $.gone IS NULL }", event));
        assert!(yes("{ $.nope NOT EXISTS }", event));
        assert!(yes("{ $.ok IS FALSE }", event));
        assert!(!yes("{ $.status = 503 }", "not json"));
        assert!(Pattern::parse("{ $.a = }").is_err());
        assert!(Pattern::parse(&format!("{{ {} }}", "(".repeat(1000))).is_err());
    }
}
