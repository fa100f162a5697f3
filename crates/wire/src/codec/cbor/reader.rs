//! Reads shapes straight from the bytes: nothing is built in between.

use std::borrow::Cow;

use bytes::Bytes;
use undercast_smithy::document::check_union;
use undercast_smithy::shape::{OnElement, OnEntry, OnMember};
use undercast_smithy::{Body, Document, Member, ReadError, Schema, ShapeReader, Timestamp};

use super::{BREAK, DOUBLE, FALSE, HALF, INDEFINITE, NULL, SINGLE, TRUE, UNDEFINED, major};
use crate::codec::DEPTH_MAX;

/// Stands at a position. The same reader is handed to every callback, one level deeper.
pub struct CborReader<'a> {
    bytes: &'a [u8],
    at: usize,
    depth: usize,
}

/// How many items a list or map has; `None` where a break ends it.
type Length = Option<u64>;

impl<'a> CborReader<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        // An empty body counts as an empty map.
        let bytes = if bytes.is_empty() { &[0xa0] } else { bytes };
        Self { bytes, at: 0, depth: 0 }
    }

    fn syntax(&self) -> ReadError {
        ReadError::Syntax(format!("The CBOR body is malformed at offset {}.", self.at))
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], ReadError> {
        let end = self.at.checked_add(length).ok_or_else(|| self.syntax())?;
        let taken = self.bytes.get(self.at..end).ok_or_else(|| self.syntax())?;
        self.at = end;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, ReadError> {
        self.take(1)?.first().copied().ok_or_else(|| self.syntax())
    }

    /// The number that follows an initial byte with this additional information.
    fn argument(&mut self, info: u8) -> Result<u64, ReadError> {
        let length = match info {
            0..24 => return Ok(u64::from(info)),
            24..28 => 1 << (info - 24),
            _ => return Err(self.syntax()),
        };
        Ok(self.take(length)?.iter().fold(0, |value, byte| (value << 8) | u64::from(*byte)))
    }

    /// Major type and additional information of what stands here, behind any tags.
    fn head(&mut self) -> Result<(u8, u8), ReadError> {
        // More than a few tags in front of one value are nothing but a way to waste time.
        for _ in 0..4 {
            let byte = self.byte()?;
            match (byte >> 5, byte & 0x1f) {
                (major::TAG, info) => self.argument(info)?,
                head => return Ok(head),
            };
        }
        Err(self.syntax())
    }

    fn wrong(&self, major: u8, expected: &str) -> ReadError {
        let found = match major {
            major::UNSIGNED | major::NEGATIVE => "NUMBER_VALUE",
            major::BYTES => "BLOB_VALUE",
            major::TEXT => "STRING_VALUE",
            major::LIST => {
                return ReadError::Kind("Start of list found where not expected.".to_owned());
            }
            major::MAP => {
                return ReadError::Kind(
                    "Start of structure or map found where not expected.".to_owned(),
                );
            }
            _ => "VALUE",
        };
        ReadError::Kind(format!("{found} cannot be converted to {expected}"))
    }

    /// Enters a list or map.
    fn enter(&mut self, wanted: u8, expected: &str) -> Result<Length, ReadError> {
        let (major, info) = self.head()?;
        if major != wanted {
            return Err(self.wrong(major, expected));
        }
        self.deeper()?;
        if info == INDEFINITE { Ok(None) } else { self.argument(info).map(Some) }
    }

    fn deeper(&mut self) -> Result<(), ReadError> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(ReadError::Limit(format!(
                "The CBOR body is nested deeper than {DEPTH_MAX} levels."
            )));
        }
        Ok(())
    }

    /// Whether another item follows.
    fn more(&mut self, length: &mut Length) -> bool {
        let more = match length {
            Some(0) => false,
            Some(left) => {
                *left -= 1;
                true
            }
            None if self.peek() == Some(BREAK) => {
                self.at += 1;
                false
            }
            None => true,
        };
        self.depth -= usize::from(!more);
        more
    }

    /// The pieces of a text or of bytes.
    fn string_of(&mut self, wanted: u8, expected: &str) -> Result<Cow<'a, [u8]>, ReadError> {
        let (major, info) = self.head()?;
        if major != wanted {
            return Err(self.wrong(major, expected));
        }
        if info != INDEFINITE {
            return self.piece(info).map(Cow::Borrowed);
        }
        let mut all = Vec::new();
        loop {
            let byte = self.byte()?;
            match (byte >> 5, byte & 0x1f) {
                _ if byte == BREAK => return Ok(Cow::Owned(all)),
                (major, info) if major == wanted => all.extend_from_slice(self.piece(info)?),
                _ => return Err(self.syntax()),
            }
        }
    }

    fn piece(&mut self, info: u8) -> Result<&'a [u8], ReadError> {
        let length = self.argument(info)?;
        self.take(usize::try_from(length).map_err(|_| self.syntax())?)
    }

    fn text_value(&mut self) -> Result<Cow<'a, str>, ReadError> {
        let invalid = |_| ReadError::Syntax("The request body is not valid UTF-8.".to_owned());
        match self.string_of(major::TEXT, "String")? {
            Cow::Borrowed(bytes) => std::str::from_utf8(bytes).map(Cow::Borrowed).map_err(invalid),
            Cow::Owned(bytes) => String::from_utf8(bytes)
                .map(Cow::Owned)
                .map_err(|error| invalid(error.utf8_error())),
        }
    }

    /// A number that is a float if it is written as one.
    fn number(&mut self, expected: &str) -> Result<Number, ReadError> {
        let (major, info) = self.head()?;
        match major {
            major::UNSIGNED => self.argument(info).map(Number::Unsigned),
            major::NEGATIVE => self.argument(info).map(Number::Negative),
            major::SIMPLE => self.simple(info),
            _ => Err(self.wrong(major, expected)),
        }
    }

    fn simple(&mut self, info: u8) -> Result<Number, ReadError> {
        match (major::SIMPLE << 5) | info {
            HALF => Ok(Number::Float(half(self.argument(info)?))),
            SINGLE => {
                let bits = u32::try_from(self.argument(info)?).map_err(|_| self.syntax())?;
                Ok(Number::Float(f64::from(f32::from_bits(bits))))
            }
            DOUBLE => Ok(Number::Float(f64::from_bits(self.argument(info)?))),
            _ => Err(self.wrong(major::SIMPLE, "Number")),
        }
    }

    /// Lets `on` read a value, and passes over it where `on` did not.
    fn visit(
        &mut self,
        on: impl FnOnce(&mut dyn ShapeReader) -> Result<(), ReadError>,
    ) -> Result<(), ReadError> {
        let before = self.at;
        on(self)?;
        if self.at == before { self.skip() } else { Ok(()) }
    }

    fn skip(&mut self) -> Result<(), ReadError> {
        self.document().map(drop)
    }

    fn at_null(&self) -> bool {
        matches!(self.peek(), Some(NULL | UNDEFINED))
    }
}

#[derive(Debug, Clone, Copy)]
enum Number {
    Unsigned(u64),
    /// -1 minus this.
    Negative(u64),
    Float(f64),
}

impl Number {
    #[expect(clippy::cast_precision_loss, reason = "what asks for a float wants the nearest one")]
    fn float(self) -> f64 {
        match self {
            Self::Unsigned(value) => value as f64,
            Self::Negative(value) => -1.0 - value as f64,
            Self::Float(value) => value,
        }
    }

    fn integer(self) -> Option<i64> {
        match self {
            Self::Unsigned(value) => i64::try_from(value).ok(),
            Self::Negative(value) => i64::try_from(value).ok().map(|value| -1 - value),
            Self::Float(value) if value.fract() == 0.0 && value.abs() < 9.0e18 => {
                Some(value as i64)
            }
            Self::Float(_) => None,
        }
    }
}

/// A float of two bytes.
fn half(bits: u64) -> f64 {
    let sign = if bits & 0x8000 == 0 { 1.0 } else { -1.0 };
    let exponent = i32::try_from((bits >> 10) & 0x1f).unwrap_or(0);
    let fraction = f64::from(u16::try_from(bits & 0x3ff).unwrap_or(0));
    sign * match exponent {
        0 => fraction * 2f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1.0 + fraction / 1024.0) * 2f64.powi(exponent - 15),
    }
}

impl ShapeReader for CborReader<'_> {
    fn structure(&mut self, schema: &'static Schema, on: OnMember<'_>) -> Result<(), ReadError> {
        let mut length = self.enter(major::MAP, "a structure")?;
        let mut found = 0;
        while self.more(&mut length) {
            let key = self.text_value()?;
            match schema.member_by_wire_name(&key) {
                Some(index) if !self.at_null() => {
                    found += 1;
                    self.visit(|reader| on(index, reader))?;
                }
                _ => self.skip()?,
            }
        }
        check_union(schema, found)
    }

    fn list(&mut self, _: &'static Schema, on: OnElement<'_>) -> Result<(), ReadError> {
        let mut length = self.enter(major::LIST, "a list")?;
        while self.more(&mut length) {
            self.visit(&mut *on)?;
        }
        Ok(())
    }

    fn map(&mut self, _: &'static Schema, on: OnEntry<'_>) -> Result<(), ReadError> {
        let mut length = self.enter(major::MAP, "a map")?;
        while self.more(&mut length) {
            let key = self.text_value()?.into_owned();
            self.visit(|reader| on(key, reader))?;
        }
        Ok(())
    }

    fn boolean(&mut self) -> Result<bool, ReadError> {
        match self.head()? {
            (major::SIMPLE, info) if (major::SIMPLE << 5) | info == TRUE => Ok(true),
            (major::SIMPLE, info) if (major::SIMPLE << 5) | info == FALSE => Ok(false),
            (major, _) => Err(self.wrong(major, "Boolean")),
        }
    }

    fn integer(&mut self) -> Result<i64, ReadError> {
        self.number("Integer")?.integer().ok_or_else(|| {
            ReadError::Kind("NUMBER_VALUE cannot be converted to Integer".to_owned())
        })
    }

    fn float(&mut self) -> Result<f64, ReadError> {
        self.number("Double").map(Number::float)
    }

    fn string(&mut self) -> Result<String, ReadError> {
        self.text_value().map(Cow::into_owned)
    }

    fn blob(&mut self) -> Result<Bytes, ReadError> {
        self.string_of(major::BYTES, "Blob").map(|bytes| bytes.into_owned().into())
    }

    fn timestamp(&mut self, _: &'static Member) -> Result<Timestamp, ReadError> {
        let seconds = self.number("Timestamp")?;
        Ok(match seconds {
            Number::Float(seconds) => Timestamp::from_epoch_seconds(seconds),
            whole => Timestamp::from_epoch_seconds(whole.float()),
        })
    }

    fn document(&mut self) -> Result<Document, ReadError> {
        if self.at_null() {
            self.at += 1;
            return Ok(Document::Null);
        }
        let start = self.at;
        let (major, info) = self.head()?;
        self.at = start;
        Ok(match major {
            major::BYTES => {
                use base64::Engine as _;
                let bytes = self.blob()?;
                crate::codec::json::BASE64.encode(bytes).into()
            }
            major::TEXT => self.string()?.into(),
            major::LIST => {
                let mut length = self.enter(major::LIST, "a list")?;
                let mut values = Vec::new();
                while self.more(&mut length) {
                    values.push(self.document()?);
                }
                values.into()
            }
            major::MAP => {
                let mut length = self.enter(major::MAP, "a map")?;
                let mut entries = serde_json::Map::new();
                while self.more(&mut length) {
                    let key = self.text_value()?.into_owned();
                    let value = self.document()?;
                    entries.insert(key, value);
                }
                entries.into()
            }
            major::SIMPLE if info == FALSE & 0x1f || info == TRUE & 0x1f => self.boolean()?.into(),
            _ => match self.number("Number")? {
                Number::Unsigned(value) => value.into(),
                number => match number.integer() {
                    Some(value) if !matches!(number, Number::Float(_)) => value.into(),
                    _ => number.float().into(),
                },
            },
        })
    }

    fn stream(&mut self) -> Result<Body, ReadError> {
        self.blob().map(Body::from_bytes)
    }

    fn is_null(&mut self) -> bool {
        let is_null = self.at_null();
        self.at += usize::from(is_null);
        is_null
    }
}
