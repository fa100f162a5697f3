//! The rules of composite alarms: `ALARM("a") AND NOT (OK(b) OR FALSE)`.

use super::{ALARM, INSUFFICIENT, OK, name_of};

const DEPTH_MAX: usize = 40;
const NAMES_MAX: usize = 100;

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Rule {
    Constant(bool),
    /// An alarm is in a state.
    In(&'static str, String),
    Not(Box<Rule>),
    And(Box<Rule>, Box<Rule>),
    Or(Box<Rule>, Box<Rule>),
}

impl Rule {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut parser = Parser { rest: text, depth: 0, names: 0 };
        let rule = parser.either()?;
        match parser.rest.trim().is_empty() {
            true => Ok(rule),
            false => Err(format!("unexpected text at '{}'", shortened(parser.rest.trim()))),
        }
    }

    /// The alarms that it looks at.
    pub(crate) fn names(&self) -> Vec<&str> {
        match self {
            Self::Constant(_) => Vec::new(),
            Self::In(_, name) => vec![name],
            Self::Not(inner) => inner.names(),
            Self::And(left, right) | Self::Or(left, right) => {
                left.names().into_iter().chain(right.names()).collect()
            }
        }
    }

    /// Whether it holds, given how the states of alarms are told.
    pub(crate) fn holds(&self, state: &impl Fn(&str) -> Option<String>) -> bool {
        match self {
            Self::Constant(value) => *value,
            Self::In(wanted, name) => state(name).as_deref() == Some(*wanted),
            Self::Not(inner) => !inner.holds(state),
            Self::And(left, right) => left.holds(state) && right.holds(state),
            Self::Or(left, right) => left.holds(state) || right.holds(state),
        }
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(30).collect()
}

struct Parser<'a> {
    rest: &'a str,
    depth: usize,
    names: usize,
}

impl Parser<'_> {
    fn word(&mut self, word: &str) -> bool {
        let rest = self.rest.trim_start();
        let Some(after) = rest.strip_prefix(word) else {
            return false;
        };
        let is_word = word.ends_with(|c: char| c.is_ascii_alphabetic());
        if is_word && after.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_') {
            return false;
        }
        self.rest = after;
        true
    }

    fn either(&mut self) -> Result<Rule, String> {
        let mut left = self.both()?;
        while self.word("OR") {
            left = Rule::Or(Box::new(left), Box::new(self.both()?));
        }
        Ok(left)
    }

    fn both(&mut self) -> Result<Rule, String> {
        let mut left = self.one()?;
        while self.word("AND") {
            left = Rule::And(Box::new(left), Box::new(self.one()?));
        }
        Ok(left)
    }

    fn one(&mut self) -> Result<Rule, String> {
        self.depth += 1;
        self.names += 1;
        if self.depth > DEPTH_MAX || self.names > 5 * NAMES_MAX {
            return Err("the rule is too complex".to_owned());
        }
        let rule = self.simple();
        self.depth -= 1;
        rule
    }

    fn simple(&mut self) -> Result<Rule, String> {
        if self.word("NOT") {
            return Ok(Rule::Not(Box::new(self.one()?)));
        }
        if self.word("(") {
            let inner = self.either()?;
            return if self.word(")") { Ok(inner) } else { Err("expected ')'".to_owned()) };
        }
        for (word, value) in [("TRUE", true), ("FALSE", false)] {
            if self.word(word) {
                return Ok(Rule::Constant(value));
            }
        }
        for state in [INSUFFICIENT, ALARM, OK] {
            if self.word(state) {
                return Ok(Rule::In(state, self.name()?));
            }
        }
        Err(format!("expected a function at '{}'", shortened(self.rest.trim())))
    }

    fn name(&mut self) -> Result<String, String> {
        if !self.word("(") {
            return Err("expected '('".to_owned());
        }
        let rest = self.rest.trim_start();
        let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''));
        let (name, after) = match quote {
            Some(quote) => {
                let inner = rest.get(1..).unwrap_or_default();
                inner.split_once(quote).ok_or("a name has no end")?
            }
            None => {
                let end = rest.find(')').ok_or("expected ')'")?;
                rest.split_at(end)
            }
        };
        self.rest = after;
        let name = name_of(name.trim()).to_owned();
        match self.word(")") {
            true if !name.is_empty() => Ok(name),
            _ => Err("expected the name of an alarm and ')'".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_hold_or_do_not() {
        let state = |name: &str| match name {
            "a" => Some(ALARM.to_owned()),
            "b c" => Some(OK.to_owned()),
            _ => None,
        };
        for (text, wanted) in [
            ("ALARM(a)", true),
            ("ALARM(\"a\") AND OK('b c')", true),
            ("ALARM(\"b c\") OR (TRUE AND NOT FALSE)", true),
            ("NOT ALARM(arn:aws:cloudwatch:us-east-1:1:alarm:a)", false),
            ("ALARM(gone) OR INSUFFICIENT_DATA(gone)", false),
            ("TRUE OR TRUE AND FALSE", true),
        ] {
            assert_eq!(Rule::parse(text).unwrap().holds(&state), wanted, "{text}");
        }
        assert_eq!(Rule::parse("ALARM(a) OR NOT OK(b)").unwrap().names(), ["a", "b"]);
    }

    #[test]
    fn what_is_no_rule_is_refused() {
        for text in [
            "",
            "a",
            "ALARM",
            "ALARM()",
            "ALARM(a",
            "ALARM(\"a)",
            "ALARM(a) ALARM(b)",
            "NOT",
            "(TRUE",
            "TRUEX",
        ] {
            assert!(Rule::parse(text).is_err(), "{text}");
        }
        assert!(Rule::parse(&"(".repeat(9_000)).is_err());
        assert!(Rule::parse(&"NOT ".repeat(9_000)).is_err());
    }
}
