//! The tokens of PartiQL.

use undercast_kernel::ServiceError;

use super::malformed;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    /// A keyword or a name; quoted ones are names only.
    Word {
        text: String,
        is_quoted: bool,
    },
    Text(String),
    Number(String),
    Sign(&'static str),
    Parameter,
}

/// Longer ones first.
const SIGNS: &[&str] = &[
    "<<", ">>", "<=", ">=", "<>", "!=", "=", "<", ">", "(", ")", "[", "]", "{", "}", ",", ":", ".",
    "*", "+", "-", ";",
];

pub(super) fn tokens(text: &str) -> Result<Vec<Token>, ServiceError> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let (token, after) = match first {
            '\'' => {
                let (inner, after) = quoted(rest, '\'')?;
                (Token::Text(inner), after)
            }
            '"' => {
                let (text, after) = quoted(rest, '"')?;
                (Token::Word { text, is_quoted: true }, after)
            }
            '?' => (Token::Parameter, rest.get(1..).unwrap_or_default()),
            '0'..='9' => number(rest),
            first if first.is_alphabetic() || first == '_' || first == '$' => {
                let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
                let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
                let (word, after) = rest.split_at(end);
                (Token::Word { text: word.to_owned(), is_quoted: false }, after)
            }
            _ => {
                let sign = SIGNS.iter().find(|sign| rest.starts_with(**sign));
                let sign = sign.ok_or_else(|| malformed("Unexpected token"))?;
                (Token::Sign(sign), rest.get(sign.len()..).unwrap_or_default())
            }
        };
        tokens.push(token);
        rest = after.trim_start();
    }
    Ok(tokens)
}

/// What stands in quotes; a doubled quote stands for itself.
fn quoted(text: &str, quote: char) -> Result<(String, &str), ServiceError> {
    let mut inner = String::new();
    let mut rest = text.get(1..).unwrap_or_default();
    loop {
        let end = rest.find(quote).ok_or_else(|| malformed("Unterminated literal"))?;
        let (part, after) = rest.split_at(end);
        inner.push_str(part);
        rest = after.get(1..).unwrap_or_default();
        if !rest.starts_with(quote) {
            return Ok((inner, rest));
        }
        inner.push(quote);
        rest = rest.get(1..).unwrap_or_default();
    }
}

fn number(text: &str) -> (Token, &str) {
    let mut end = 0;
    let mut before = ' ';
    for (at, c) in text.char_indices() {
        let is_exponent = matches!(c, '+' | '-') && matches!(before, 'e' | 'E');
        if !(c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E') || is_exponent) {
            break;
        }
        before = c;
        end = at + 1;
    }
    let (number, after) = text.split_at(end);
    (Token::Number(number.to_owned()), after)
}
