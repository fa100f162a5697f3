//! The words of a query.

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    Word(String),
    Number(f64),
    Text(String),
    Regex(String),
    Mark(&'static str),
}

const MARKS: &[&str] = &[
    "!=", ">=", "<=", "=~", "==", "=", ">", "<", "(", ")", "[", "]", ",", "|", "+", "-", "*", "/",
    "%", "^",
];

pub(super) fn lex(text: &str) -> Result<Vec<Token>, String> {
    let mut all: Vec<Token> = Vec::new();
    // After `parse` a slash begins a regular expression, elsewhere only where one is asked for.
    let mut is_parse = false;
    let mut rest = skip(text);
    while let Some(first) = rest.chars().next() {
        let wants_regex = is_parse
            || matches!(all.last(), Some(Token::Mark("=~")))
            || matches!(all.last(), Some(Token::Word(word)) if word.eq_ignore_ascii_case("like"));
        if first == '"' || first == '\'' || first == '`' {
            let (inner, tail) = quoted(rest, first)?;
            rest = tail;
            all.push(if first == '`' { Token::Word(inner) } else { Token::Text(inner) });
        } else if first == '/' && wants_regex {
            let (inner, tail) = quoted(rest, '/')?;
            rest = tail;
            all.push(Token::Regex(inner));
        } else if first.is_ascii_digit() {
            let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
            let (digits, tail) = rest.split_at(end);
            // `5m` is a period, and no number.
            let unit = tail.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(tail.len());
            let (unit, after) = tail.split_at(unit);
            rest = after;
            all.push(match unit.is_empty() {
                true => {
                    Token::Number(digits.parse().map_err(|_| format!("{digits} is no number"))?)
                }
                false => Token::Word(format!("{digits}{unit}")),
            });
        } else if first.is_alphabetic() || first == '@' || first == '_' || first == '$' {
            let ends = |c: char| !(c.is_alphanumeric() || matches!(c, '_' | '.' | '@' | '$' | ':'));
            let end = rest.find(ends).unwrap_or(rest.len());
            let (word, tail) = rest.split_at(end);
            if all.is_empty() || matches!(all.last(), Some(Token::Mark("|"))) {
                is_parse = word.eq_ignore_ascii_case("parse");
            }
            all.push(Token::Word(word.to_owned()));
            rest = tail;
        } else {
            let mark = MARKS.iter().find(|mark| rest.starts_with(**mark));
            let mark = mark.ok_or_else(|| format!("unexpected '{first}'"))?;
            if *mark == "|" {
                is_parse = false;
            }
            all.push(Token::Mark(mark));
            rest = rest.get(mark.len()..).unwrap_or_default();
        }
        rest = skip(rest);
    }
    Ok(all)
}

/// Passes over spaces and comments.
fn skip(mut text: &str) -> &str {
    loop {
        text = text.trim_start();
        match text.strip_prefix('#') {
            Some(comment) => text = comment.split_once('\n').map_or("", |(_, rest)| rest),
            None => return text,
        }
    }
}

fn quoted(text: &str, quote: char) -> Result<(String, &str), String> {
    let mut out = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        if c == quote {
            return Ok((out, text.get(at + c.len_utf8()..).unwrap_or_default()));
        }
        match (c, quote) {
            ('\\', '/') => {
                // Regular expressions keep their escapes, but for that of the slash.
                match chars.next() {
                    Some((_, '/')) => out.push('/'),
                    Some((_, next)) => out.extend(['\\', next]),
                    None => break,
                }
            }
            ('\\', _) => match chars.next() {
                Some((_, 'n')) => out.push('\n'),
                Some((_, 't')) => out.push('\t'),
                Some((_, next)) => out.push(next),
                None => break,
            },
            _ => out.push(c),
        }
    }
    Err(format!("a {quote} is not closed"))
}
