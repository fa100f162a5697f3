//! The grammar of metric math, by descent.

use super::{DEPTH_MAX, Expression, Operator, Wrong, invalid};

/// What can be called.
const FUNCTIONS: &[&str] = &[
    "ABS",
    "AVG",
    "CEIL",
    "DIFF",
    "FILL",
    "FIRST",
    "FLOOR",
    "IF",
    "LAST",
    "LOG",
    "LOG10",
    "MAX",
    "METRICS",
    "METRIC_COUNT",
    "MIN",
    "PERIOD",
    "RATE",
    "RUNNING_SUM",
    "STDDEV",
    "SUM",
    "TIME_SERIES",
];
/// What CloudWatch has besides.
const FOREIGN: &[&str] = &[
    "ANOMALY_DETECTION_BAND",
    "DATAPOINT_COUNT",
    "DAY",
    "DB_PERF_INSIGHTS",
    "DIFF_TIME",
    "EPOCH",
    "HOUR",
    "INSIGHT_RULE_METRIC",
    "LAMBDA",
    "MINUTE",
    "MONTH",
    "REMOVE_EMPTY",
    "SEARCH",
    "SERVICE_QUOTA",
    "SLICE",
    "SORT",
    "YEAR",
    "DATE",
    "SELECT",
];

pub(super) fn parse(text: &str) -> Result<Expression, Wrong> {
    let mut parser = Parser { rest: text, depth: 0 };
    let expression = parser.level(0)?;
    match parser.next_char() {
        None => Ok(expression),
        Some(c) => Err(unexpected(c)),
    }
}

fn unexpected(c: char) -> Wrong {
    invalid(format!("Unexpected '{c}'"))
}

struct Parser<'a> {
    rest: &'a str,
    depth: usize,
}

/// The operators of each level, those that bind least first; of two that begin alike the longer first.
const LEVELS: [&[(&str, Operator)]; 5] = [
    &[("||", Operator::Or), ("OR", Operator::Or)],
    &[("&&", Operator::And), ("AND", Operator::And)],
    &[
        ("==", Operator::Equal),
        ("!=", Operator::Unequal),
        ("<=", Operator::AtMost),
        (">=", Operator::AtLeast),
        ("<", Operator::Less),
        (">", Operator::Greater),
    ],
    &[("+", Operator::Add), ("-", Operator::Subtract)],
    &[("*", Operator::Multiply), ("/", Operator::Divide)],
];

impl Parser<'_> {
    fn next_char(&mut self) -> Option<char> {
        self.rest = self.rest.trim_start();
        self.rest.chars().next()
    }

    fn eat(&mut self, token: &str) -> bool {
        self.rest = self.rest.trim_start();
        let Some(rest) = self.rest.strip_prefix(token) else {
            return false;
        };
        let is_word = token.ends_with(|c: char| c.is_ascii_alphabetic());
        if is_word && rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_') {
            return false;
        }
        self.rest = rest;
        true
    }

    fn level(&mut self, level: usize) -> Result<Expression, Wrong> {
        let Some(operators) = LEVELS.get(level) else {
            return self.power();
        };
        let mut left = self.level(level + 1)?;
        let mut count = 0;
        while let Some((_, operator)) = operators.iter().find(|(token, _)| self.eat(token)) {
            let right = self.level(level + 1)?;
            left = Expression::Operation(*operator, Box::new(left), Box::new(right));
            count += 1;
            if count > 100 {
                return Err(invalid("The expression is too long"));
            }
        }
        Ok(left)
    }

    fn power(&mut self) -> Result<Expression, Wrong> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(invalid("The expression is nested too deeply"));
        }
        let base = self.unary()?;
        let whole = match self.eat("^") {
            true => Expression::Operation(Operator::Power, Box::new(base), Box::new(self.power()?)),
            false => base,
        };
        self.depth -= 1;
        Ok(whole)
    }

    fn unary(&mut self) -> Result<Expression, Wrong> {
        if self.eat("-") {
            let (zero, of) = (Expression::Number(0.0), self.power()?);
            return Ok(Expression::Operation(Operator::Subtract, Box::new(zero), Box::new(of)));
        }
        match self.next_char() {
            Some('(') => {
                self.eat("(");
                let inner = self.level(0)?;
                self.close(")")?;
                Ok(inner)
            }
            Some('[') => {
                self.eat("[");
                Ok(Expression::List(self.until("]")?))
            }
            Some(quote @ ('"' | '\'')) => {
                let text = self.rest.get(1..).unwrap_or_default();
                let (text, rest) =
                    text.split_once(quote).ok_or_else(|| invalid("A text has no end"))?;
                self.rest = rest;
                Ok(Expression::Text(text.to_owned()))
            }
            Some(c) if c.is_ascii_digit() || c == '.' => self.number(),
            Some(c) if c.is_ascii_alphabetic() => self.word(),
            Some(c) => Err(unexpected(c)),
            None => Err(invalid("The expression ends too early")),
        }
    }

    fn number(&mut self) -> Result<Expression, Wrong> {
        let end = self.rest.find(|c: char| !c.is_ascii_digit() && c != '.');
        let (digits, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        let number = digits.parse().map_err(|_| invalid(format!("{digits} is no number")))?;
        Ok(Expression::Number(number))
    }

    fn word(&mut self) -> Result<Expression, Wrong> {
        let end = self.rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let (word, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        if word.starts_with(|c: char| c.is_ascii_lowercase()) {
            return Ok(Expression::Query(word.to_owned()));
        }
        let Some(function) = FUNCTIONS.iter().find(|name| **name == word) else {
            return match FOREIGN.contains(&word) {
                true => Err(Wrong::Unsupported(format!("the function {word}"))),
                // `FILL(m1, REPEAT)`.
                false if matches!(word, "REPEAT" | "LINEAR") => {
                    Ok(Expression::Text(word.to_owned()))
                }
                false => Err(invalid(format!("{word} is no function"))),
            };
        };
        if !self.eat("(") {
            return Err(invalid(format!("{word} has no arguments")));
        }
        Ok(Expression::Call(function, self.until(")")?))
    }

    fn until(&mut self, close: &str) -> Result<Vec<Expression>, Wrong> {
        let mut all = Vec::new();
        if self.eat(close) {
            return Ok(all);
        }
        loop {
            all.push(self.level(0)?);
            if !self.eat(",") {
                self.close(close)?;
                return Ok(all);
            }
        }
    }

    fn close(&mut self, close: &str) -> Result<(), Wrong> {
        if self.eat(close) { Ok(()) } else { Err(invalid(format!("Expected '{close}'"))) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_bind_as_they_should() {
        let plain = parse("m1+m2*2 > 3 && m3").unwrap();
        assert_eq!(plain, parse("((m1+(m2*2))>3)&&m3").unwrap());
        assert_eq!(parse("1-2-3").unwrap(), parse("(1-2)-3").unwrap());
        assert_eq!(parse("-m1^2").unwrap(), parse("0-(m1^2)").unwrap());
        assert_eq!(parse("SUM([m1, m2])").unwrap().names(), ["m1", "m2"]);
    }

    #[test]
    fn what_is_no_expression_is_refused() {
        for text in ["", "m1+", "(m1", "SUM m1", "NOPE(m1)", "m1 m2", "1.2.3", "[m1", "'x", "é"] {
            assert!(matches!(parse(text), Err(Wrong::Invalid(_))), "{text}");
        }
        assert!(matches!(parse("SEARCH('x', 'Sum')"), Err(Wrong::Unsupported(_))));
        assert!(parse(&"(".repeat(5_000)).is_err());
        assert!(parse(&"-".repeat(5_000)).is_err());
        assert!(parse(&format!("1{}", "+1".repeat(5_000))).is_err());
    }
}
