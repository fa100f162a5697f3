//! Filter patterns: terms (`error -debug ?warn "two words"`) and JSON selectors
//! (`{ $.status >= 500 && $.path = "/x*" }`).

use std::collections::BTreeMap;

use serde_json::Value;

const DEPTH_MAX: usize = 32;

/// A pattern that has been read.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Pattern {
    All,
    Terms { every: Vec<String>, any: Vec<String>, none: Vec<String> },
    Json(Condition),
    Fields(Vec<Field>),
}

/// A field of a space-delimited pattern.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Field {
    /// `...`: any number of fields.
    Rest,
    /// Its name, and comparisons: all of one of the lists hold, if there is a list.
    One(String, Vec<Vec<(&'static str, String, bool)>>),
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
            let inner = text.strip_prefix('[').and_then(|t| t.strip_suffix(']'));
            let inner = inner.ok_or("Invalid filter pattern")?;
            return fields(inner).map(Self::Fields);
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
            Self::Fields(fields) => named(fields, message).is_some(),
        }
    }

    /// What the fields of the pattern are in a message that matches, by `$name` or `$.path`.
    pub(crate) fn extract(&self, message: &str) -> Option<BTreeMap<String, String>> {
        if !self.matches(message) {
            return None;
        }
        Some(match self {
            Self::All | Self::Terms { .. } => BTreeMap::new(),
            Self::Fields(fields) => named(fields, message)?
                .into_iter()
                .map(|(name, value)| (format!("${name}"), value.to_owned()))
                .collect(),
            Self::Json(condition) => {
                let value: Value = serde_json::from_str(message).ok()?;
                let mut paths = Vec::new();
                condition.paths(&mut paths);
                let found = paths.into_iter().filter_map(|path| {
                    let found = path.iter().try_fold(&value, |value, part| step(value, part))?;
                    Some((format!("$.{}", path.join(".")), shown(found)))
                });
                found.collect()
            }
        })
    }
}

/// A field of a message: `$.path` of JSON, or `$name` of what a pattern extracted.
pub(crate) fn field(
    selector: &str,
    message: &str,
    extracted: &BTreeMap<String, String>,
) -> Option<String> {
    if let Some(found) = extracted.get(selector) {
        return Some(found.clone());
    }
    let path = selector.strip_prefix("$.")?;
    let value: Value = serde_json::from_str(message).ok()?;
    path.split('.').try_fold(&value, |value, part| step(value, part)).map(shown)
}

fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The fields between the brackets of a space-delimited pattern.
fn fields(text: &str) -> Result<Vec<Field>, String> {
    let wrong = || "Invalid filter pattern".to_owned();
    let mut all = Vec::new();
    for part in text.split(',') {
        let mut tokens = tokens(part)?.into_iter().peekable();
        let Some(Token::Word(name)) = tokens.next() else {
            return Err(wrong());
        };
        if name == "..." {
            all.push(Field::Rest);
            continue;
        }
        let mut any = Vec::new();
        let mut every = Vec::new();
        while tokens.peek().is_some() {
            let Some(Token::Operator(operator)) = tokens.next() else {
                return Err(wrong());
            };
            match tokens.next() {
                Some(Token::Word(value)) => every.push((operator, value, false)),
                Some(Token::Quoted(value)) => every.push((operator, value, true)),
                _ => return Err(wrong()),
            }
            match tokens.next() {
                None => break,
                Some(Token::Operator("&&")) => {}
                Some(Token::Operator("||")) => any.push(std::mem::take(&mut every)),
                Some(_) => return Err(wrong()),
            }
            // The name stands in front of each comparison.
            if tokens.next() != Some(Token::Word(name.clone())) {
                return Err(wrong());
            }
        }
        if !every.is_empty() {
            any.push(every);
        }
        all.push(Field::One(name, any));
    }
    match all.iter().filter(|field| **field == Field::Rest).count() {
        0 | 1 => Ok(all),
        _ => Err(wrong()),
    }
}

/// The fields of a message: words, and what stands in brackets or quotes.
fn words(message: &str) -> Vec<&str> {
    let mut all = Vec::new();
    let mut rest = message.trim();
    while !rest.is_empty() {
        let close = match rest.as_bytes().first() {
            Some(b'[') => Some(']'),
            Some(b'"') => Some('"'),
            _ => None,
        };
        let inner = rest.get(1..).filter(|_| close.is_some()).unwrap_or_default();
        let (word, tail) = match close.and_then(|close| inner.split_once(close)) {
            Some(found) => found,
            None => rest.split_once(char::is_whitespace).unwrap_or((rest, "")),
        };
        all.push(word);
        rest = tail.trim_start();
    }
    all
}

/// The fields of a message by the names in the pattern, if it matches.
fn named<'a>(fields: &'a [Field], message: &'a str) -> Option<Vec<(&'a str, &'a str)>> {
    let words = words(message);
    let rest = fields.iter().position(|field| *field == Field::Rest);
    let after = rest.map_or(0, |at| fields.len() - at - 1);
    let before = rest.unwrap_or(fields.len());
    let fits = match rest {
        None => words.len() == fields.len(),
        Some(_) => words.len() >= before + after,
    };
    if !fits {
        return None;
    }
    let ends = words.get(..before)?.iter().chain(words.get(words.len() - after..)?);
    let fields = fields.iter().filter_map(|field| match field {
        Field::One(name, any) => Some((name, any)),
        Field::Rest => None,
    });
    let mut found = Vec::new();
    for ((name, any), word) in fields.zip(ends) {
        let value = match word.parse::<f64>() {
            Ok(number) => serde_json::json!(number),
            Err(_) => Value::from(*word),
        };
        let holds = |(operator, wanted, quoted): &(&'static str, String, bool)| {
            let is_number = wanted.parse::<f64>().is_ok() && !quoted;
            let value = if is_number { value.clone() } else { Value::from(*word) };
            compare(Some(&value), operator, wanted, *quoted)
        };
        if !any.is_empty() && !any.iter().any(|every| every.iter().all(holds)) {
            return None;
        }
        found.push((name.as_str(), *word));
    }
    Some(found)
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
    fn paths<'a>(&'a self, all: &mut Vec<&'a [String]>) {
        match self {
            Self::And(a, b) | Self::Or(a, b) => {
                a.paths(all);
                b.paths(all);
            }
            Self::Compare { path, .. } => all.push(path),
        }
    }

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
    fn space_delimited_fields() {
        let line = r#"10.0.0.1 frank [10/Oct/2000:13:25:15 -0700] "GET /a b HTTP/1.0" 404 1534"#;
        assert!(yes("[ip, user, time, request, status=4*, bytes > 1000]", line));
        assert!(!yes("[ip, user, time, request, status=5*, bytes]", line));
        assert!(!yes("[ip, user, status]", line));
        assert!(yes("[ip, ..., bytes]", line));
        assert!(yes("[..., status = 404 || status = 500, bytes]", line));
        assert!(!yes("[..., status >= 400 && status < 404, bytes]", line));
        assert!(yes("[ip != 10.0.0.2, ...]", line));
        let found = Pattern::parse("[ip, ..., status, bytes]").unwrap().extract(line).unwrap();
        assert_eq!(found.get("$ip").unwrap(), "10.0.0.1");
        assert_eq!(found.get("$bytes").unwrap(), "1534");
        for wrong in ["[", "[a", "[a=]", "[..., b, ...]", "[a = 1 || b = 2]", "[]"] {
            assert!(Pattern::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn json_fields_are_extracted() {
        let pattern = Pattern::parse("{ $.a.b > 1 && $.c = x }").unwrap();
        let message = r#"{"a": {"b": 2}, "c": "x", "d": [7]}"#;
        let found = pattern.extract(message).unwrap();
        assert_eq!(found.get("$.a.b").unwrap(), "2");
        assert_eq!(field("$.d[0]", message, &found).unwrap(), "7");
        assert_eq!(field("$.c", message, &found).unwrap(), "x");
        assert_eq!(field("$.e", message, &found), None);
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
