//! Tokens: words, references, numbers, signs, and what is none of these.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenKind {
    Word,
    /// `#name`
    Name,
    /// `:value`
    Value,
    Digits,
    Sign,
    Unknown,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    pub(super) start: usize,
    pub(super) end: usize,
}

pub(super) fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let (kind, length) = next(rest);
        if let Some(kind) = kind {
            tokens.push(Token { kind, start: at, end: at + length });
        }
        at += length;
    }
    tokens
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// The first token of a text and its length in bytes; no kind for white space.
fn next(rest: &str) -> (Option<TokenKind>, usize) {
    let bytes = rest.as_bytes();
    let run = |from: usize, is: fn(u8) -> bool| {
        let tail = bytes.get(from..).unwrap_or_default();
        from + tail.iter().take_while(|byte| is(**byte)).count()
    };
    match bytes {
        [b' ' | b'\t' | b'\n' | b'\r', ..] => (None, 1),
        [b'#', second, ..] if is_word(*second) => (Some(TokenKind::Name), run(1, is_word)),
        [b':', second, ..] if is_word(*second) => (Some(TokenKind::Value), run(1, is_word)),
        [b'<', b'>' | b'=', ..] | [b'>', b'=', ..] => (Some(TokenKind::Sign), 2),
        [b'(' | b')' | b'[' | b']' | b',' | b'.' | b'=' | b'<' | b'>' | b'+' | b'-', ..] => {
            (Some(TokenKind::Sign), 1)
        }
        [first, ..] if first.is_ascii_digit() => {
            (Some(TokenKind::Digits), run(1, |b| b.is_ascii_digit()))
        }
        [first, ..] if is_word(*first) => (Some(TokenKind::Word), run(1, is_word)),
        _ => (Some(TokenKind::Unknown), rest.chars().next().map_or(1, char::len_utf8)),
    }
}
