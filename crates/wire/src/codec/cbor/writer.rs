//! Writes shapes straight into bytes.

use bytes::Bytes;
use undercast_smithy::{Body, Document, Member, Schema, ShapeWriter, Timestamp};

use super::{BREAK, DOUBLE, FALSE, INDEFINITE, NULL, TAG_EPOCH, TRUE, major};

#[derive(Default)]
pub struct CborWriter {
    out: Vec<u8>,
}

impl CborWriter {
    pub fn new() -> Self {
        Self { out: Vec::with_capacity(256) }
    }

    pub fn finish(self) -> Vec<u8> {
        self.out
    }

    fn head(&mut self, major: u8, value: u64) {
        let major = major << 5;
        let bytes = value.to_be_bytes();
        let (info, length) = match value {
            0..24 => (bytes.last().copied().unwrap_or(0), 0),
            24..0x100 => (24, 1),
            0x100..0x1_0000 => (25, 2),
            0x1_0000..0x1_0000_0000 => (26, 4),
            _ => (27, 8),
        };
        self.out.push(major | info);
        self.out.extend_from_slice(bytes.get(8 - length..).unwrap_or_default());
    }

    fn length(&mut self, major: u8, length: usize) {
        self.head(major, length as u64);
    }

    fn text(&mut self, text: &str) {
        self.length(major::TEXT, text.len());
        self.out.extend_from_slice(text.as_bytes());
    }
}

impl ShapeWriter for CborWriter {
    fn begin_structure(&mut self, _: &'static Schema) {
        self.out.push((major::MAP << 5) | INDEFINITE);
    }

    fn member(&mut self, member: &'static Member) {
        self.text(member.wire_name());
    }

    fn end_structure(&mut self) {
        self.out.push(BREAK);
    }

    fn begin_list(&mut self, _: &'static Schema, length: usize) {
        self.length(major::LIST, length);
    }

    fn element(&mut self) {}

    fn end_list(&mut self) {}

    fn begin_map(&mut self, _: &'static Schema, length: usize) {
        self.length(major::MAP, length);
    }

    fn key(&mut self, key: &str) {
        self.text(key);
    }

    fn end_map(&mut self) {}

    fn boolean(&mut self, value: bool) {
        self.out.push(if value { TRUE } else { FALSE });
    }

    fn integer(&mut self, value: i64) {
        match u64::try_from(value) {
            Ok(value) => self.head(major::UNSIGNED, value),
            Err(_) => self.head(major::NEGATIVE, value.unsigned_abs() - 1),
        }
    }

    fn float(&mut self, value: f64) {
        self.out.push(DOUBLE);
        self.out.extend_from_slice(&value.to_be_bytes());
    }

    fn string(&mut self, value: &str) {
        self.text(value);
    }

    fn blob(&mut self, value: &Bytes) {
        self.length(major::BYTES, value.len());
        self.out.extend_from_slice(value);
    }

    fn timestamp(&mut self, _: &'static Member, value: Timestamp) {
        self.head(major::TAG, TAG_EPOCH);
        match value.millis() % 1000 {
            0 => self.integer(value.seconds()),
            _ => self.float(value.epoch_seconds()),
        }
    }

    fn document(&mut self, value: &Document) {
        match value {
            Document::Null => self.null(),
            Document::Bool(value) => self.boolean(*value),
            Document::Number(number) => match number.as_i64() {
                Some(value) => self.integer(value),
                None => self.float(number.as_f64().unwrap_or(f64::NAN)),
            },
            Document::String(text) => self.text(text),
            Document::Array(values) => {
                self.length(major::LIST, values.len());
                values.iter().for_each(|value| self.document(value));
            }
            Document::Object(entries) => {
                self.length(major::MAP, entries.len());
                for (key, value) in entries {
                    self.text(key);
                    self.document(value);
                }
            }
        }
    }

    fn stream(&mut self, _: &Body) {
        // A stream travels as a payload, never inside CBOR.
        self.null();
    }

    fn null(&mut self) {
        self.out.push(NULL);
    }
}
