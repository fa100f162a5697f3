//! Samples never carry what the rules redact.

use std::borrow::Cow;

use regex::Regex;
use serde_json::Value;

use crate::compare::{Path, Paths, Redact, RulesError};

/// What stands where something was taken out.
pub const REDACTED: &str = "[redacted]";
/// What of a text is looked at: far more than any sample shows.
const LOOKED_AT_BYTES: usize = 8 << 10;
const DEPTH_MAX: usize = 64;

/// The text of secrets, wherever it stands.
const BUILT_IN: &[&str] = &[
    // JSON Web Tokens.
    r"eyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]{5,}(?:\.[A-Za-z0-9_-]*){0,3}",
    // Access key ids.
    r"(?-u:\b)(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{12,16}(?-u:\b)",
    r"(?i)(?-u:\b)(?:bearer|basic)\s+[A-Za-z0-9._~+/=-]{6,}",
    r"AWS4-HMAC-SHA256 [^\r\n]*",
    r"(?i)X-Amz-(?:Signature|Credential|Security-Token)=[^&\s]+",
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----[A-Za-z0-9+/=\s\\]*(?:-----END [A-Z ]*PRIVATE KEY-----)?",
    // A member of a document that is kept as text.
    r#"(?i)(?:password|passwd|secret|secret_?access_?key|client_?secret|api_?key|session_?token|access_?token|refresh_?token|id_?token|authorization|cookie)\\?["']?\s*[:=]\s*\\?["']?[^\s"'\\&,;}]{3,}"#,
];

const EMAIL: &str = r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})+";

/// Digits that may be the number of a card, with or without groups.
const CARD: &str = r"(?-u:\b)(?:\d[ -]?){12,18}\d(?-u:\b)";

/// Members whose values are secrets whatever they look like, without `-` and `_`.
const SECRET_NAMES: &[&str] = &[
    "accesstoken",
    "apikey",
    "authorization",
    "clientsecret",
    "cookie",
    "cookies",
    "idtoken",
    "passwd",
    "password",
    "privatekey",
    "proxyauthorization",
    "refreshtoken",
    "secret",
    "secretaccesskey",
    "secretbinary",
    "secretkey",
    "secretstring",
    "sessiontoken",
    "setcookie",
    "xamzsecuritytoken",
    "xapikey",
];

/// Takes out of values what must not be seen.
#[derive(Debug, Clone)]
pub struct Redactor {
    paths: Paths<()>,
    patterns: Vec<Regex>,
    card: Option<Regex>,
    names: bool,
}

impl Redactor {
    /// Checks the rules; the error names the field.
    pub fn compile(rules: &Redact) -> Result<Redactor, RulesError> {
        let field = "Redact.Patterns";
        if rules.patterns.len() > 64 {
            return Err(crate::compare::rules_error(field, "at most 64 entries"));
        }
        let regex = |text: &str| {
            regex::RegexBuilder::new(text)
                .size_limit(1 << 20)
                .build()
                .map_err(|e| crate::compare::rules_error(field, &e.to_string()))
        };
        let built_in = BUILT_IN.iter().copied().filter(|_| rules.built_in);
        let emails = [EMAIL].into_iter().filter(|_| rules.emails);
        let own = rules.patterns.iter().map(String::as_str);
        let patterns = built_in.chain(emails).chain(own).map(regex).collect::<Result<_, _>>()?;
        let paths = crate::compare::rules_paths("Redact.Paths", &rules.paths)?;
        let card = rules.built_in.then(|| regex(CARD)).transpose()?;
        Ok(Redactor { paths, patterns, card, names: rules.built_in })
    }

    /// The text without what the patterns match. Of a long text only the beginning is given.
    pub fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut out = Cow::Borrowed(beginning(text));
        for pattern in &self.patterns {
            if pattern.is_match(&out) {
                out = Cow::Owned(pattern.replace_all(&out, REDACTED).into_owned());
            }
        }
        if let Some(card) = self.card.as_ref().filter(|card| card.is_match(&out)) {
            let hidden = card.replace_all(&out, |found: &regex::Captures<'_>| {
                let found = found.get(0).map_or("", |whole| whole.as_str());
                if is_card(found) { REDACTED.to_owned() } else { found.to_owned() }
            });
            out = Cow::Owned(hidden.into_owned());
        }
        out
    }

    /// Whether patterns take something out of the text.
    pub fn touches(&self, text: &str) -> bool {
        self.patterns.iter().any(|pattern| pattern.is_match(text)) || self.text(text) != text
    }

    /// The value at `path` without what the rules redact, with at most about `bytes_max` bytes of it.
    pub(crate) fn sample(&self, path: &Path<'_>, value: &Value, bytes_max: usize) -> Value {
        let mut left = bytes_max.saturating_mul(2);
        let value =
            if self.hides(path) { REDACTED.into() } else { self.value(path, value, &mut left) };
        cut(value, bytes_max)
    }

    /// Whether the place is redacted, or one above it.
    pub(crate) fn hides(&self, path: &Path<'_>) -> bool {
        path.any(&|path| self.is_secret(path))
    }

    fn is_secret(&self, path: &Path<'_>) -> bool {
        !self.paths.is_empty() && self.paths.find(path).is_some()
            || self.names && path.key_here().is_some_and(is_secret_name)
    }

    fn value(&self, path: &Path<'_>, value: &Value, left: &mut usize) -> Value {
        if *left == 0 || path.depth() > DEPTH_MAX {
            return "…".into();
        }
        *left = left.saturating_sub(8);
        match value {
            Value::String(text) => {
                let text = self.nested(path, text, left);
                *left = left.saturating_sub(text.len());
                text.into()
            }
            Value::Array(elements) => {
                let mut out = Vec::new();
                for (index, element) in elements.iter().enumerate() {
                    if *left == 0 {
                        out.push("…".into());
                        break;
                    }
                    out.push(self.member(&path.index(index), element, left));
                }
                Value::Array(out)
            }
            Value::Object(members) => {
                let mut out = serde_json::Map::new();
                for (key, member) in members {
                    if *left == 0 {
                        out.insert("…".to_owned(), Value::Null);
                        break;
                    }
                    let value = self.member(&path.key(key), member, left);
                    *left = left.saturating_sub(key.len());
                    out.insert(self.text(key).into_owned(), value);
                }
                Value::Object(out)
            }
            Value::Number(number) => self.number(number),
            Value::Null | Value::Bool(_) => value.clone(),
        }
    }

    fn member(&self, path: &Path<'_>, value: &Value, left: &mut usize) -> Value {
        if self.is_secret(path) { REDACTED.into() } else { self.value(path, value, left) }
    }

    /// A text that is a document is redacted as one, by its places as well.
    fn nested(&self, path: &Path<'_>, text: &str, left: &mut usize) -> String {
        if text.len() <= crate::compare::STRUCTURE_BYTES_MAX
            && text.trim_start().starts_with(['{', '['])
            && let Ok(inner) = serde_json::from_str::<Value>(text)
        {
            return self.value(path, &inner, left).to_string();
        }
        self.text(text).into_owned()
    }

    /// Card numbers come as numbers, too.
    fn number(&self, number: &serde_json::Number) -> Value {
        let text = number.to_string();
        if self.card.is_some() && text.len() >= 13 && is_card(&text) {
            return REDACTED.into();
        }
        Value::Number(number.clone())
    }
}

fn is_secret_name(name: &str) -> bool {
    if name.len() > 40 {
        return false;
    }
    let plain: String = name
        .chars()
        .filter(|letter| !matches!(letter, '-' | '_' | '.' | ' '))
        .map(|letter| letter.to_ascii_lowercase())
        .collect();
    SECRET_NAMES.contains(&plain.as_str())
}

/// The beginning of a text, ended between two words so that no half of a secret remains unseen.
fn beginning(text: &str) -> &str {
    if text.len() <= LOOKED_AT_BYTES {
        return text;
    }
    let end = (0..=LOOKED_AT_BYTES).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    let head = text.get(..end).unwrap_or_default();
    let is_word = |letter: char| letter.is_alphanumeric() || "._~+/=-@".contains(letter);
    head.trim_end_matches(is_word)
}

/// Luhn's check, which one in ten random numbers passes.
fn is_card(text: &str) -> bool {
    let digits: Vec<u32> = text.chars().filter_map(|letter| letter.to_digit(10)).collect();
    if !(13..=19).contains(&digits.len()) || digits.iter().all(|digit| *digit == 0) {
        return false;
    }
    let mut sum = 0;
    for (at, digit) in digits.iter().rev().enumerate() {
        let doubled = if at % 2 == 1 { digit * 2 } else { *digit };
        sum += if doubled > 9 { doubled - 9 } else { doubled };
    }
    sum % 10 == 0
}

/// A value of at most about `bytes_max` bytes: as it is, or the beginning of its text.
fn cut(value: Value, bytes_max: usize) -> Value {
    if let Value::String(text) = &value {
        return if text.len() <= bytes_max { value } else { head(text, bytes_max).into() };
    }
    let text = value.to_string();
    if text.len() <= bytes_max { value } else { head(&text, bytes_max).into() }
}

fn head(text: &str, bytes_max: usize) -> String {
    let bytes = bytes_max.saturating_sub('…'.len_utf8());
    let end = (0..=bytes).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    format!("{}…", text.get(..end).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn redactor(rules: Redact) -> Redactor {
        Redactor::compile(&rules).unwrap()
    }

    fn shown(rules: Redact, value: &Value) -> String {
        redactor(rules).sample(&Path::root(), value, 1024).to_string()
    }

    #[test]
    fn secrets_are_taken_out_of_texts() {
        let redactor = redactor(Redact::default());
        for secret in [
            "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P",
            "AKIAIOSFODNN7EXAMPLE",
            "4111 1111 1111 1111",
            "5500005555555559",
            "Bearer abcdefghijkl",
            "{\"password\":\"hunter22\"",
        ] {
            let text = redactor.text(secret).into_owned();
            assert!(text.contains(REDACTED), "{secret} → {text}");
            let within = format!("before {secret} after");
            assert!(!redactor.text(&within).contains(secret), "{within}");
        }
        for harmless in ["4111 1111 1111 1112", "order 1234567890123", "a@example.org", "basic"] {
            assert_eq!(redactor.text(harmless), harmless);
        }
    }

    #[test]
    fn members_are_taken_out_by_name_and_by_place() {
        let value = json!({
            "Authorization": "x", "set-cookie": ["a=b"], "user": {"pass_word": "p", "name": "Ann"},
            "body": "{\"secretAccessKey\":\"k\",\"deep\":{\"iban\":\"DE12\"}}", "n": 4111111111111111_u64,
        });
        let rules = Redact { paths: vec!["/**/iban".into()], ..Redact::default() };
        let shown = shown(rules, &value);
        for secret in ["\"x\"", "a=b", "\"p\"", "\"k\"", "DE12", "4111"] {
            assert!(!shown.contains(secret), "{secret} in {shown}");
        }
        assert!(shown.contains("Ann"));
    }

    #[test]
    fn what_lies_below_a_redacted_place_is_redacted() {
        let rules = Redact { paths: vec!["/user".into()], ..Redact::default() };
        let root = Path::root();
        let user = root.key("user");
        let sample = redactor(rules).sample(&user.key("name"), &json!("Ann"), 1024);
        assert_eq!(sample, json!(REDACTED));
    }

    #[test]
    fn emails_and_own_patterns_are_a_choice() {
        let value = json!("write to ann@example.org about CASE-12");
        assert!(shown(Redact::default(), &value).contains("ann@example.org"));
        let rules =
            Redact { emails: true, patterns: vec![r"CASE-\d+".into()], ..Redact::default() };
        assert_eq!(shown(rules, &value), "\"write to [redacted] about [redacted]\"");
        let rules = Redact { patterns: vec!["(".into()], ..Redact::default() };
        assert_eq!(Redactor::compile(&rules).unwrap_err().field, "Redact.Patterns");
    }

    #[test]
    fn samples_are_bounded_and_cut_between_letters() {
        let long = "é".repeat(100_000);
        let shown = redactor(Redact::default()).sample(&Path::root(), &json!(long), 1024);
        assert!(shown.as_str().unwrap().len() <= 1024);
        let many: Vec<_> = (0..100_000).map(|n| json!({"n": n})).collect();
        let shown = redactor(Redact::default()).sample(&Path::root(), &json!(many), 1024);
        assert!(shown.to_string().len() <= 1300);
        let cut = format!("{} {}", "a ".repeat(4090), "4111111111111111");
        assert!(!redactor(Redact::default()).text(&cut).contains("4111"));
    }
}
