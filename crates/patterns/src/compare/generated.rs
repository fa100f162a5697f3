//! Values that were generated: ids, tokens, hashes. They differ between two runs of the same code, but consistently.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

/// Pairs that are kept; more are taken for equal.
const PAIRS_MAX: usize = 4096;
/// Tokens that are looked for on the other side.
const TOKENS_MAX: usize = 200_000;

/// What a token looks like. Two tokens stand for each other only if they look alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    Uuid,
    Ulid,
    Hex(usize),
    Digits(usize),
    Random(usize),
}

impl Look {
    fn is_like(self, other: Look) -> bool {
        match (self, other) {
            (Look::Random(a), Look::Random(b)) => a.abs_diff(b) * 4 <= a.max(b),
            (a, b) => a == b,
        }
    }
}

fn look(token: &str) -> Option<Look> {
    let bytes = token.as_bytes();
    if bytes.len() < 16 || bytes.len() > 4096 {
        return None;
    }
    if is_uuid(bytes) {
        return Some(Look::Uuid);
    }
    let (mut digits, mut upper, mut lower, mut signs, mut hex, mut changes) = (0, 0, 0, 0, true, 0);
    let mut before = 0;
    for byte in bytes {
        let class = match byte {
            b'0'..=b'9' => {
                digits += 1;
                1
            }
            b'A'..=b'Z' => {
                upper += 1;
                2
            }
            b'a'..=b'z' => {
                lower += 1;
                3
            }
            b'-' | b'_' | b'+' | b'/' | b'=' => {
                signs += 1;
                4
            }
            _ => return None,
        };
        hex &= byte.is_ascii_hexdigit();
        changes += usize::from(before != 0 && class != before);
        before = class;
    }
    let length = bytes.len();
    let letters = upper + lower;
    if letters == 0 {
        // Sixteen digits are a card.
        return (signs == 0 && length >= 17).then_some(Look::Digits(length));
    }
    if hex && digits > 0 && (upper == 0 || lower == 0) {
        return Some(Look::Hex(length));
    }
    if length == 26
        && lower == 0
        && signs == 0
        && digits > 0
        && bytes.iter().all(|b| !b"ILOU".contains(b))
    {
        return Some(Look::Ulid);
    }
    // Words and names change seldom between letters, capitals and digits.
    let is_random = if upper > 0 && lower > 0 {
        digits > 0 && changes * 100 >= length * 42 || length >= 32 && changes * 100 >= length * 40
    } else {
        digits >= 2 && changes * 100 >= length * 22
    };
    is_random.then_some(Look::Random(length))
}

fn is_uuid(bytes: &[u8]) -> bool {
    bytes.len() == 36
        && bytes.iter().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

fn is_jwt(text: &str) -> bool {
    text.starts_with("eyJ")
        && text.len() > 40
        && text.matches('.').count() == 2
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
}

/// Whether a text looks like one generated value: then it does not belong into the name of a kind.
pub(super) fn is_generated(text: &str) -> bool {
    look(text).is_some() || text.len() >= 4 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A key or a name with `*` for what was generated in it: nothing if that is nothing.
pub(super) fn masked(text: &str) -> Option<String> {
    if !text.bytes().any(|byte| byte.is_ascii_digit()) {
        return None;
    }
    if is_generated(text) {
        return Some("*".to_owned());
    }
    let (mut out, mut rest, mut is_start, mut is_masked) = (String::new(), text, true, false);
    while !rest.is_empty() && out.len() < 1024 {
        let piece = piece(rest, is_start);
        if is_generated(piece.text) || piece.time_ms.is_some() {
            out.push('*');
            is_masked = true;
        } else {
            super::path::push_key(&mut out, piece.text);
        }
        is_start = !piece.is_word;
        rest = rest.get(piece.text.len()..).unwrap_or_default();
    }
    is_masked.then_some(out)
}

/// What two texts that differ are made of.
pub(super) struct Parts<'a> {
    /// Generated values that stand at the same place.
    pub(super) generated: Vec<(&'a str, &'a str)>,
    /// Times, in milliseconds, that stand at the same place.
    pub(super) times: Vec<(i64, i64)>,
}

/// Takes two texts apart which differ in generated values and times only; nothing if there is more to it.
pub(super) fn parts<'a>(primary: &'a str, candidate: &'a str) -> Option<Parts<'a>> {
    let mut parts = Parts { generated: Vec::new(), times: Vec::new() };
    if are_alike(primary, candidate) {
        parts.generated.push((primary, candidate));
        return Some(parts);
    }
    let (mut left, mut right) = (primary, candidate);
    let mut is_start = true;
    while !left.is_empty() && !right.is_empty() {
        let (a, b) = (piece(left, is_start), piece(right, is_start));
        if a.text == b.text {
        } else if let (Some(from), Some(to)) = (a.time_ms, b.time_ms) {
            parts.times.push((from, to));
        } else if are_alike(a.text, b.text) {
            parts.generated.push((a.text, b.text));
        } else {
            return middle(primary, candidate);
        }
        is_start = !a.is_word;
        left = left.get(a.text.len()..)?;
        right = right.get(b.text.len()..)?;
    }
    let is_whole = left.is_empty() && right.is_empty();
    if is_whole { Some(parts) } else { middle(primary, candidate) }
}

fn are_alike(a: &str, b: &str) -> bool {
    match (look(a), look(b)) {
        (Some(left), Some(right)) => left.is_like(right) && prefix(a) == prefix(b),
        _ => is_jwt(a) && is_jwt(b),
    }
}

/// The `ord` of `ord_V1StGXR8Z5jdHi6B`, which was not generated.
fn prefix(token: &str) -> Option<&str> {
    let (prefix, _) = token.split_once(['_', '-'])?;
    let is_word =
        (2..=12).contains(&prefix.len()) && prefix.bytes().all(|b| b.is_ascii_lowercase());
    is_word.then_some(prefix).filter(|prefix| !prefix.bytes().all(|b| b.is_ascii_hexdigit()))
}

struct Piece<'a> {
    text: &'a str,
    is_word: bool,
    time_ms: Option<i64>,
}

/// The next word, UUID, time or sign.
fn piece(text: &str, is_start: bool) -> Piece<'_> {
    let bytes = text.as_bytes();
    let ends_at = |at: usize| bytes.get(at).is_none_or(|byte| !byte.is_ascii_alphanumeric());
    if is_start && bytes.first().is_some_and(u8::is_ascii_hexdigit) {
        if ends_at(36)
            && let Some(uuid) = text.get(..36).filter(|uuid| is_uuid(uuid.as_bytes()))
        {
            return Piece { text: uuid, is_word: true, time_ms: None };
        }
        if let Some(time) = super::time::parse_beginning(bytes).filter(|time| !time.is_date())
            && let Some(written) = text.get(..time.length)
        {
            return Piece { text: written, is_word: true, time_ms: Some(time.instant_ms) };
        }
    }
    let word = bytes.iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
    if word == 0 {
        let sign = text.chars().next().map_or(0, char::len_utf8);
        return Piece { text: text.get(..sign).unwrap_or(text), is_word: false, time_ms: None };
    }
    let text = text.get(..word).unwrap_or(text);
    let is_epoch = matches!(word, 10 | 13) && text.bytes().all(|byte| byte.is_ascii_digit());
    let epoch = is_epoch.then(|| super::text::number(text).and_then(super::time::epoch)).flatten();
    Piece { text, is_word: true, time_ms: epoch.map(|(time_ms, _)| time_ms) }
}

/// One token with signs in it, between what both texts begin and end with.
fn middle<'a>(primary: &'a str, candidate: &'a str) -> Option<Parts<'a>> {
    let is_end = |letter: char| letter.is_whitespace() || "\"'?&=:.,;<>()|".contains(letter);
    let same = primary.bytes().zip(candidate.bytes()).take_while(|(a, b)| a == b).count();
    let same = (0..=same).rev().find(|at| primary.is_char_boundary(*at)).unwrap_or(0);
    let head = primary.get(..same)?;
    let start = head.rfind(is_end).map_or(0, |at| {
        at + head.get(at..).and_then(|rest| rest.chars().next()).map_or(1, char::len_utf8)
    });
    let (left, right) = (primary.get(start..)?, candidate.get(start..)?);
    let (a_end, b_end) =
        (left.find(is_end).unwrap_or(left.len()), right.find(is_end).unwrap_or(right.len()));
    let (a, b) = (left.get(..a_end)?, right.get(..b_end)?);
    let rest_is_same = left.get(a_end..) == right.get(b_end..);
    let is_one = rest_is_same && are_alike(a, b);
    is_one.then(|| Parts { generated: vec![(a, b)], times: Vec::new() })
}

/// A generated value of each side at the same place.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) primary: String,
    pub(super) candidate: String,
    /// Where: an index into whatever the caller keeps.
    pub(super) place: usize,
}

/// All pairs of generated values that were met.
#[derive(Debug, Default)]
pub(super) struct Pairs {
    seen: Vec<Seen>,
}

impl Pairs {
    pub(super) fn is_empty(&self) -> bool {
        self.seen.is_empty()
    }

    pub(super) fn note(&mut self, primary: &str, candidate: &str, place: impl FnOnce() -> usize) {
        if self.seen.len() < PAIRS_MAX {
            let place = place();
            self.seen.push(Seen {
                primary: primary.to_owned(),
                candidate: candidate.to_owned(),
                place,
            });
        }
    }

    /// The pairs that do not fit into a one-to-one mapping. A value that both sides have stands for itself; of
    /// the others the pair that was met most often is right.
    pub(super) fn mixed_up(self, known: &Tokens<'_>) -> Vec<Seen> {
        let mut counts: HashMap<(&str, &str), usize> = HashMap::new();
        for seen in &self.seen {
            *counts.entry((&seen.primary, &seen.candidate)).or_default() += 1;
        }
        let mut order: Vec<_> = counts.into_iter().collect();
        // The same order from both sides.
        order.sort_unstable_by_key(|((p, c), count)| (usize::MAX - count, *p.min(c), *p.max(c)));
        let (mut to, mut from) = (HashSet::new(), HashSet::new());
        let mut right = HashSet::new();
        for ((primary, candidate), _) in order {
            let is_known = known.candidate.contains(primary) || known.primary.contains(candidate);
            if !is_known && !to.contains(primary) && !from.contains(candidate) {
                to.insert(primary);
                from.insert(candidate);
                right.insert((primary, candidate));
            }
        }
        let wrong: Vec<bool> = self
            .seen
            .iter()
            .map(|seen| !right.contains(&(seen.primary.as_str(), seen.candidate.as_str())))
            .collect();
        self.seen.into_iter().zip(wrong).filter(|(_, wrong)| *wrong).map(|(seen, _)| seen).collect()
    }
}

/// The generated values that occur anywhere on each side.
#[derive(Debug, Default)]
pub(super) struct Tokens<'a> {
    pub(super) primary: HashSet<&'a str>,
    pub(super) candidate: HashSet<&'a str>,
}

pub(super) fn tokens_of_text<'a>(text: &'a str, tokens: &mut HashSet<&'a str>) {
    let is_sign = |byte: u8| matches!(byte, b'-' | b'_' | b'+' | b'/' | b'=');
    let is_coarse = |letter: char| letter.is_ascii_alphanumeric() || "-_+/=".contains(letter);
    for run in text.split(|letter: char| !is_coarse(letter)).filter(|run| run.len() >= 16) {
        if tokens.len() > TOKENS_MAX {
            return;
        }
        if look(run).is_some() {
            tokens.insert(run);
        }
        if !run.bytes().any(is_sign) {
            continue;
        }
        let (mut rest, mut is_start) = (run, true);
        while !rest.is_empty() {
            let piece = piece(rest, is_start);
            if piece.text.len() >= 16 && look(piece.text).is_some() {
                tokens.insert(piece.text);
            }
            is_start = !piece.is_word;
            rest = rest.get(piece.text.len()..).unwrap_or_default();
        }
    }
}

pub(super) fn tokens_of_value<'a>(value: &'a Value, depth: usize, tokens: &mut HashSet<&'a str>) {
    match value {
        Value::String(text) => tokens_of_text(text, tokens),
        Value::Array(elements) if depth > 0 => {
            elements.iter().for_each(|element| tokens_of_value(element, depth - 1, tokens));
        }
        Value::Object(members) if depth > 0 => {
            for (key, member) in members {
                tokens_of_text(key, tokens);
                tokens_of_value(member, depth - 1, tokens);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_values_are_told_from_words() {
        for generated in [
            "550e8400-e29b-41d4-a716-446655440000",
            "01ARZ3NDEKTSV4RRFFQ69G5FAV",
            "9f86d081884c7d659a2feaa0c55ad015",
            "V1StGXR8_Z5jdHi6B-myT",
            "q7k2m9x4b1z8w3v6",
            "dGhpcyBpcyBhIHRlc3QgMTIzNDU2Nzg5MA==",
            "73829104829104829104",
        ] {
            assert!(look(generated).is_some(), "{generated}");
        }
        for word in [
            "createOrderHandler2024",
            "ThisIsALongIdentifierName",
            "arn-prod-eu-west-1-orders",
            "4111111111111111",
            "internationalization",
            "production-eu-central-1",
            "Content-Type-Options",
            "short1",
        ] {
            assert!(look(word).is_none(), "{word}");
        }
    }

    #[test]
    fn generated_parts_of_names_are_masked() {
        for (name, shown) in [
            ("user#550e8400-e29b-41d4-a716-446655440000", Some("user#*")),
            ("550e8400-e29b-41d4-a716-446655440000", Some("*")),
            ("2026", Some("*")),
            ("orders/2026-11-24T12:00:00Z/x", Some("orders~1*~1x")),
            ("dynamodb:PutItem(orders-q7k2m9x4b1z8w3v6)", Some("dynamodb:PutItem(orders-*)")),
            ("dynamodb:PutItem(orders)", None),
            ("line2", None),
        ] {
            assert_eq!(masked(name).as_deref(), shown, "{name}");
        }
    }

    #[test]
    fn texts_are_taken_apart() {
        let a = "https://x/orders/550e8400-e29b-41d4-a716-446655440000?t=1795521600000";
        let b = "https://x/orders/650e8400-e29b-41d4-a716-446655440001?t=1795521600123";
        let found = parts(a, b).unwrap();
        assert_eq!(found.generated.len(), 1);
        assert_eq!(found.times, [(1_795_521_600_000, 1_795_521_600_123)]);
        assert!(parts("order 12", "order 13").is_none());
        assert!(parts("ord_q7k2m9x4b1z8w3v6", "ord_a1k2m9x4b1z8w3v7").is_some());
        assert!(parts("ord_q7k2m9x4b1z8w3v6", "inv_a1k2m9x4b1z8w3v7").is_none());
        assert!(
            parts("token=ab+/dGh1cy0J1c3QgMT==&x=1", "token=Zx+/kGh2cy1J8c3QgMT==&x=1").is_some()
        );
        assert!(parts("", "x").is_none());
        assert!(parts("é", "è").is_none());
    }
}
