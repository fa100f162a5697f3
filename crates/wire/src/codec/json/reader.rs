//! Reads shapes straight from JSON text: nothing is built in between.

use std::borrow::Cow;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use undercast_smithy::document::check_union;
use undercast_smithy::shape::{OnElement, OnEntry, OnMember};
use undercast_smithy::{
    Body, Document, Member, ReadError, Schema, ShapeReader, Timestamp, TimestampFormat,
};

use crate::codec::{DEPTH_MAX, parse_float};

/// Base64 as clients send it: some leave the padding away.
pub(crate) const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Stands at a position in the text. The same reader is handed to every callback, one level deeper.
pub struct JsonReader<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

impl<'a> JsonReader<'a> {
    /// Reads `body`, which has to be UTF-8. An empty body counts as an empty object.
    pub fn new(body: &'a [u8]) -> Result<Self, ReadError> {
        let text = std::str::from_utf8(body)
            .map_err(|_| ReadError::Syntax("The request body is not valid UTF-8.".to_owned()))?;
        let text = if text.trim_ascii().is_empty() { "{}" } else { text };
        Ok(Self { text, at: 0, depth: 0 })
    }

    /// The next byte that is no white space, without taking it.
    fn peek(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        loop {
            match bytes.get(self.at) {
                Some(b' ' | b'\n' | b'\r' | b'\t') => self.at += 1,
                other => return other.copied(),
            }
        }
    }

    fn syntax(&self) -> ReadError {
        let found = self.text.get(self.at..).and_then(|rest| rest.chars().next());
        ReadError::Syntax(match found {
            Some(c) => {
                format!("Unexpected character {c:?} at offset {} of the JSON body.", self.at)
            }
            None => "Unexpected end of the JSON body.".to_owned(),
        })
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, byte: u8) -> Result<(), ReadError> {
        if self.eat(byte) { Ok(()) } else { Err(self.syntax()) }
    }

    fn enter(&mut self) -> Result<(), ReadError> {
        self.at += 1;
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(ReadError::Limit(format!(
                "The JSON body is nested deeper than {DEPTH_MAX} levels."
            )));
        }
        Ok(())
    }

    /// After a value: whether another one follows in this object or list.
    fn more(&mut self, close: u8) -> Result<bool, ReadError> {
        match self.peek() {
            Some(b',') => {
                self.at += 1;
                Ok(true)
            }
            Some(byte) if byte == close => {
                self.at += 1;
                self.depth -= 1;
                Ok(false)
            }
            _ => Err(self.syntax()),
        }
    }

    fn at_null(&mut self) -> bool {
        self.peek() == Some(b'n')
    }

    /// What stands here, in the words of AWS's own errors.
    fn wrong(&mut self, expected: &str) -> ReadError {
        let found = match self.peek() {
            Some(b'{') => {
                return ReadError::Kind(
                    "Start of structure or map found where not expected.".to_owned(),
                );
            }
            Some(b'[') => {
                return ReadError::Kind("Start of list found where not expected.".to_owned());
            }
            Some(b'"') => "STRING_VALUE",
            Some(b't') => "TRUE_VALUE",
            Some(b'f') => "FALSE_VALUE",
            Some(b'n') => "NULL_VALUE",
            Some(b'-' | b'0'..=b'9') => "NUMBER_VALUE",
            _ => return self.syntax(),
        };
        ReadError::Kind(format!("{found} cannot be converted to {expected}"))
    }

    /// The text between the quotes that start here.
    fn text_value(&mut self) -> Result<Cow<'a, str>, ReadError> {
        let start = self.at + 1;
        let rest = self.text.get(start..).ok_or_else(|| self.syntax())?;
        match memchr::memchr2(b'"', b'\\', rest.as_bytes()) {
            Some(length) if rest.as_bytes().get(length) == Some(&b'"') => {
                self.at = start + length + 1;
                Ok(Cow::Borrowed(rest.get(..length).unwrap_or_default()))
            }
            Some(length) => {
                self.at = start;
                self.unescape(length).map(Cow::Owned)
            }
            None => {
                self.at = self.text.len();
                Err(self.syntax())
            }
        }
    }

    /// Reads on from `at`, where `plain` bytes stand before the first escape.
    fn unescape(&mut self, plain: usize) -> Result<String, ReadError> {
        let mut value = String::with_capacity(plain + 32);
        let mut length = plain;
        loop {
            value.push_str(self.text.get(self.at..self.at + length).unwrap_or_default());
            self.at += length;
            let byte = self.text.as_bytes().get(self.at).copied();
            self.at += 1;
            match byte {
                Some(b'"') => return Ok(value),
                Some(b'\\') => value.push(self.escape()?),
                _ => return Err(self.syntax()),
            }
            let rest = self.text.get(self.at..).unwrap_or_default();
            length = memchr::memchr2(b'"', b'\\', rest.as_bytes()).unwrap_or(rest.len());
        }
    }

    fn escape(&mut self) -> Result<char, ReadError> {
        let byte = self.text.as_bytes().get(self.at).copied();
        self.at += 1;
        Ok(match byte {
            Some(c @ (b'"' | b'\\' | b'/')) => char::from(c),
            Some(b'n') => '\n',
            Some(b't') => '\t',
            Some(b'r') => '\r',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'u') => {
                let high = self.hex4()?;
                if !(0xD800..0xDC00).contains(&high) {
                    return Ok(char::from_u32(high).unwrap_or(char::REPLACEMENT_CHARACTER));
                }
                if self.text.get(self.at..self.at + 2) != Some("\\u") {
                    return Ok(char::REPLACEMENT_CHARACTER);
                }
                self.at += 2;
                let low = self.hex4()?;
                if !(0xDC00..0xE000).contains(&low) {
                    return Ok(char::REPLACEMENT_CHARACTER);
                }
                let code = 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
                char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
            }
            _ => {
                self.at -= 1;
                return Err(self.syntax());
            }
        })
    }

    fn hex4(&mut self) -> Result<u32, ReadError> {
        let digits = self.text.get(self.at..self.at + 4).ok_or_else(|| self.syntax())?;
        let valid = digits.bytes().all(|b| b.is_ascii_hexdigit());
        let code = u32::from_str_radix(digits, 16).ok().filter(|_| valid);
        self.at += 4;
        code.ok_or_else(|| self.syntax())
    }

    /// The characters of the number that starts here.
    fn number_text(&mut self) -> &'a str {
        let start = self.at;
        let bytes = self.text.as_bytes();
        while let Some(b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E') = bytes.get(self.at) {
            self.at += 1;
        }
        self.text.get(start..self.at).unwrap_or_default()
    }

    fn word(&mut self, word: &str) -> Result<(), ReadError> {
        if self.text.get(self.at..).is_some_and(|rest| rest.starts_with(word)) {
            self.at += word.len();
            Ok(())
        } else {
            Err(self.syntax())
        }
    }

    /// Passes over a value of any kind.
    fn skip(&mut self) -> Result<(), ReadError> {
        match self.peek() {
            Some(b'"') => self.text_value().map(|_| ()),
            Some(b'{') => {
                self.enter()?;
                if self.peek() == Some(b'}') {
                    self.more(b'}')?;
                    return Ok(());
                }
                loop {
                    self.key()?;
                    self.skip()?;
                    if !self.more(b'}')? {
                        return Ok(());
                    }
                }
            }
            Some(b'[') => {
                self.enter()?;
                if self.peek() == Some(b']') {
                    self.more(b']')?;
                    return Ok(());
                }
                loop {
                    self.skip()?;
                    if !self.more(b']')? {
                        return Ok(());
                    }
                }
            }
            Some(b't') => self.word("true"),
            Some(b'f') => self.word("false"),
            Some(b'n') => self.word("null"),
            Some(b'-' | b'0'..=b'9') => {
                let number = self.number_text();
                if parse_float(number).is_some() { Ok(()) } else { Err(self.syntax()) }
            }
            _ => Err(self.syntax()),
        }
    }

    fn key(&mut self) -> Result<Cow<'a, str>, ReadError> {
        if self.peek() != Some(b'"') {
            return Err(self.syntax());
        }
        let key = self.text_value()?;
        self.expect(b':')?;
        Ok(key)
    }

    /// Lets `on` read a value, and passes over it where `on` did not.
    fn visit(
        &mut self,
        on: impl FnOnce(&mut dyn ShapeReader) -> Result<(), ReadError>,
    ) -> Result<(), ReadError> {
        self.peek();
        let before = self.at;
        on(self)?;
        if self.at == before { self.skip() } else { Ok(()) }
    }

    fn text_or(&mut self, expected: &str) -> Result<Cow<'a, str>, ReadError> {
        if self.peek() == Some(b'"') { self.text_value() } else { Err(self.wrong(expected)) }
    }
}

/// Clients tend to send members in the model's order, so the search starts behind the last hit.
fn find(members: &[Member], key: &str, hint: &mut usize) -> Option<usize> {
    let (before, after) = members.split_at(*hint.min(&mut members.len()));
    let position = |members: &[Member]| members.iter().position(|m| m.wire_name() == key);
    let index = position(after).map(|i| i + before.len()).or_else(|| position(before))?;
    *hint = index + 1;
    Some(index)
}

impl ShapeReader for JsonReader<'_> {
    fn structure(&mut self, schema: &'static Schema, on: OnMember<'_>) -> Result<(), ReadError> {
        if self.peek() != Some(b'{') {
            return Err(self.wrong("a structure"));
        }
        self.enter()?;
        let members = schema.members();
        let (mut found, mut hint) = (0, 0);
        if self.peek() == Some(b'}') {
            self.more(b'}')?;
            return check_union(schema, 0);
        }
        loop {
            let key = self.key()?;
            match find(members, &key, &mut hint) {
                Some(index) if !self.at_null() => {
                    found += 1;
                    self.visit(|reader| on(index, reader))?;
                }
                _ => self.skip()?,
            }
            if !self.more(b'}')? {
                return check_union(schema, found);
            }
        }
    }

    fn list(&mut self, _: &'static Schema, on: OnElement<'_>) -> Result<(), ReadError> {
        if self.peek() != Some(b'[') {
            return Err(self.wrong("a list"));
        }
        self.enter()?;
        if self.peek() == Some(b']') {
            self.more(b']')?;
            return Ok(());
        }
        loop {
            self.visit(&mut *on)?;
            if !self.more(b']')? {
                return Ok(());
            }
        }
    }

    fn map(&mut self, _: &'static Schema, on: OnEntry<'_>) -> Result<(), ReadError> {
        if self.peek() != Some(b'{') {
            return Err(self.wrong("a map"));
        }
        self.enter()?;
        if self.peek() == Some(b'}') {
            self.more(b'}')?;
            return Ok(());
        }
        loop {
            let key = self.key()?.into_owned();
            self.visit(|reader| on(key, reader))?;
            if !self.more(b'}')? {
                return Ok(());
            }
        }
    }

    fn boolean(&mut self) -> Result<bool, ReadError> {
        match self.peek() {
            Some(b't') => self.word("true").map(|()| true),
            Some(b'f') => self.word("false").map(|()| false),
            _ => Err(self.wrong("Boolean")),
        }
    }

    fn integer(&mut self) -> Result<i64, ReadError> {
        if !matches!(self.peek(), Some(b'-' | b'0'..=b'9')) {
            return Err(self.wrong("Integer"));
        }
        let text = self.number_text();
        if let Ok(value) = text.parse() {
            return Ok(value);
        }
        let value = parse_float(text).ok_or_else(|| self.syntax())?;
        if value.fract() == 0.0 && value.abs() < 9.0e18 {
            return Ok(value as i64);
        }
        Err(ReadError::Kind(format!("{text} cannot be converted to Integer")))
    }

    fn float(&mut self) -> Result<f64, ReadError> {
        match self.peek() {
            Some(b'-' | b'0'..=b'9') => {
                let text = self.number_text();
                parse_float(text).ok_or_else(|| self.syntax())
            }
            Some(b'"') => {
                let text = self.text_value()?;
                let named = matches!(&*text, "NaN" | "Infinity" | "-Infinity");
                parse_float(&text).filter(|_| named).ok_or_else(|| {
                    ReadError::Kind("STRING_VALUE cannot be converted to Double".to_owned())
                })
            }
            _ => Err(self.wrong("Double")),
        }
    }

    fn string(&mut self) -> Result<String, ReadError> {
        self.text_or("String").map(Cow::into_owned)
    }

    fn blob(&mut self) -> Result<Bytes, ReadError> {
        let text = self.text_or("Blob")?;
        BASE64
            .decode(&*text)
            .map(Bytes::from)
            .map_err(|_| ReadError::Kind("A blob is not valid Base64.".to_owned()))
    }

    fn timestamp(&mut self, member: &'static Member) -> Result<Timestamp, ReadError> {
        match self.peek() {
            Some(b'-' | b'0'..=b'9') => {
                let text = self.number_text();
                parse_float(text).map(Timestamp::from_epoch_seconds).ok_or_else(|| self.syntax())
            }
            Some(b'"') => {
                let text = self.text_value()?;
                let format = member.timestamp_format_or(TimestampFormat::UnixTimestamp);
                let time = match format {
                    TimestampFormat::HttpDate => Timestamp::parse_http_date(&text),
                    _ => Timestamp::parse(&text),
                };
                time.ok_or_else(|| {
                    ReadError::Kind("STRING_VALUE cannot be converted to Timestamp".to_owned())
                })
            }
            _ => Err(self.wrong("Timestamp")),
        }
    }

    fn document(&mut self) -> Result<Document, ReadError> {
        self.peek();
        let start = self.at;
        self.skip()?;
        let text = self.text.get(start..self.at).unwrap_or_default();
        serde_json::from_str(text).map_err(|error| ReadError::Syntax(error.to_string()))
    }

    fn stream(&mut self) -> Result<Body, ReadError> {
        self.string().map(Body::from_bytes)
    }

    fn is_null(&mut self) -> bool {
        let null = self.at_null();
        if null && self.word("null").is_err() {
            return false;
        }
        null
    }
}

#[cfg(test)]
mod tests {
    use undercast_smithy::Kind;
    use undercast_smithy::schema::prelude::{DOUBLE, LONG, STRING};

    use super::*;

    static LEAF: &[Member] = &[Member::new("A", &STRING), Member::new("B", &LONG)];
    static SHAPE: Schema = Schema::new("Shape", Kind::Structure(LEAF));

    fn read(text: &str) -> Result<Vec<String>, ReadError> {
        let mut found = Vec::new();
        JsonReader::new(text.as_bytes())?.structure(&SHAPE, &mut |index, reader| {
            found.push(match index {
                0 => format!("A={}", reader.string()?),
                _ => format!("B={}", reader.integer()?),
            });
            Ok(())
        })?;
        Ok(found)
    }

    #[test]
    fn members_are_found_in_any_order_and_unknown_ones_skipped() {
        let text =
            r#" { "x" : [1,{"y":"\""},null,-1.5e3,true] , "B": 7, "A":"a\nb\u00e9\ud83d\ude00" } "#;
        assert_eq!(read(text).unwrap(), ["B=7", "A=a\nbé😀"]);
        assert_eq!(read(r#"{"A":null,"B":1.0}"#).unwrap(), ["B=1"]);
        assert!(read("").unwrap().is_empty());
    }

    #[test]
    fn what_is_no_json_is_refused() {
        for text in [
            "{",
            "[]",
            "{\"A\"}",
            "{\"A\":}",
            "{\"A\":\"x",
            "{\"A\":1}",
            "{\"B\":\"1\"}",
            "{\"B\":1.5}",
            "{\"A\":\"\\x\"}",
            "{\"A\":\"\\u12\"}",
            "{\"A\":\"x\",}",
            "{,}",
            "{\"z\":nul}",
            "{\"z\":--1}",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
        assert!(JsonReader::new(&[0xff, 0xfe]).is_err());
    }

    #[test]
    fn nesting_is_bounded() {
        let deep = format!("{{\"x\":{}1{}}}", "[".repeat(100), "]".repeat(100));
        assert!(matches!(read(&deep), Err(ReadError::Limit(_))));
        let deep = format!("{{\"x\":{}1{}}}", "[".repeat(60), "]".repeat(60));
        assert!(read(&deep).is_ok());
    }

    #[test]
    fn a_value_that_nobody_reads_is_passed_over() {
        let mut seen = 0;
        let mut reader = JsonReader::new(br#"{"A":{"deep":[1]},"B":2}"#).unwrap();
        reader
            .structure(&SHAPE, &mut |_, _| {
                seen += 1;
                Ok(())
            })
            .unwrap();
        assert_eq!(seen, 2);
    }

    #[test]
    fn floats_know_their_three_names() {
        static MEMBERS: &[Member] = &[Member::new("F", &DOUBLE)];
        static FLOATS: Schema = Schema::new("Floats", Kind::Structure(MEMBERS));
        let read = |text: &str| {
            let mut value = 0.0;
            JsonReader::new(text.as_bytes())
                .unwrap()
                .structure(&FLOATS, &mut |_, reader| {
                    value = reader.float()?;
                    Ok(())
                })
                .map(|()| value)
        };
        assert!(read(r#"{"F":"NaN"}"#).unwrap().is_nan());
        assert_eq!(read(r#"{"F":"-Infinity"}"#).unwrap(), f64::NEG_INFINITY);
        assert_eq!(read(r#"{"F":1e-3}"#).unwrap(), 0.001);
        assert!(read(r#"{"F":"1.5"}"#).is_err());
    }
}
