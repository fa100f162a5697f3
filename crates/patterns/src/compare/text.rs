//! Two texts that differ, and documents inside of texts.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::Value;

use super::{Class, STRUCTURE_BYTES_MAX};

/// Longer texts are not looked at letter by letter.
const LETTERS_MAX: usize = 256 << 10;

/// The document that a text is, if it is one: an object or an array, not a number that happens to be JSON.
pub(super) fn open(text: &str) -> Option<Value> {
    let is_document = text.len() <= STRUCTURE_BYTES_MAX
        && text.trim_start().starts_with(['{', '['])
        && text.trim_end().ends_with(['}', ']']);
    if is_document { serde_json::from_str(text).ok() } else { None }
}

/// The document inside of base64.
pub(super) fn open_base64(text: &str) -> Option<Value> {
    // `{` and `[` begin with these, whatever follows.
    let may_be = text.starts_with("ey") || text.starts_with("ew") || text.starts_with(['W', 'w']);
    if !may_be || text.len() < 4 || text.len() > STRUCTURE_BYTES_MAX {
        return None;
    }
    let bytes = decode_base64(text)?;
    open(std::str::from_utf8(&bytes).ok()?)
}

pub(super) fn decode_base64(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).or_else(|_| URL_SAFE_NO_PAD.decode(text)).ok()
}

/// In what way two different texts differ.
pub(super) fn classify(primary: &str, candidate: &str) -> Class {
    if primary.len() > LETTERS_MAX || candidate.len() > LETTERS_MAX {
        return Class::Text;
    }
    if let (Some(a), Some(b)) = (number(primary), number(candidate)) {
        return super::classify::numbers_in_texts(a, primary, b, candidate);
    }
    let (a, b) = (without_whitespace(primary), without_whitespace(candidate));
    if a == b {
        return Class::Whitespace;
    }
    if primary.to_lowercase() == candidate.to_lowercase() {
        return Class::Case;
    }
    let (short, long) =
        if primary.len() < candidate.len() { (primary, candidate) } else { (candidate, primary) };
    let beginning = short.trim_end_matches("...").trim_end_matches('…');
    if beginning.len() >= 8 && long.starts_with(beginning) {
        return Class::Truncated;
    }
    Class::Text
}

fn without_whitespace(text: &str) -> Cow<'_, str> {
    if text.contains(char::is_whitespace) {
        Cow::Owned(text.chars().filter(|letter| !letter.is_whitespace()).collect())
    } else {
        Cow::Borrowed(text)
    }
}

/// The number that a text is, written as people and JSON write numbers.
pub(super) fn number(text: &str) -> Option<f64> {
    let is_number = !text.is_empty()
        && text.len() <= 64
        && text
            .bytes()
            .all(|b| b.is_ascii_digit() || matches!(b, b'-' | b'+' | b'.' | b'e' | b'E'))
        && text.bytes().any(|b| b.is_ascii_digit());
    if is_number { text.parse().ok().filter(|number: &f64| number.is_finite()) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_classified() {
        let cases = [
            ("a b", "a  b", Class::Whitespace),
            ("Done", "done", Class::Case),
            ("a long description", "a long des...", Class::Truncated),
            ("a long description", "a long des", Class::Truncated),
            ("1.0", "1", Class::NumberText),
            ("10.50", "10.5", Class::NumberText),
            ("10.499", "10.5", Class::Rounding),
            ("10", "12", Class::Number),
            ("red", "green", Class::Text),
            ("", "x", Class::Text),
        ];
        for (a, b, class) in cases {
            assert_eq!(classify(a, b), class, "{a:?} {b:?}");
            assert_eq!(classify(b, a), class, "{b:?} {a:?}");
        }
    }

    #[test]
    fn documents_are_opened_wherever_they_are() {
        assert!(open(" {\"a\": 1} ").is_some());
        assert!(open("12").is_none());
        assert!(open("{a").is_none());
        for document in ["{\"a\":1}", "[1]", "{ \"a\" : 2 }", "[{}]", "[\"x\"]"] {
            assert!(open_base64(&STANDARD.encode(document)).is_some(), "{document}");
        }
        assert!(open_base64("eyJ not base64").is_none());
    }
}
