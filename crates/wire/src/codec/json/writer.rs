//! Writes shapes straight into bytes.

use base64::Engine as _;
use bytes::Bytes;
use undercast_smithy::{Body, Document, Member, Schema, ShapeWriter, Timestamp, TimestampFormat};

use super::reader::BASE64;
use crate::codec::float_text;

#[derive(Default)]
pub struct JsonWriter {
    out: Vec<u8>,
    /// Whether a value stands before the next one at this level.
    comma: bool,
}

impl JsonWriter {
    pub fn new() -> Self {
        Self { out: Vec::with_capacity(256), comma: false }
    }

    pub fn finish(self) -> Vec<u8> {
        self.out
    }

    pub fn is_empty(&self) -> bool {
        self.out.is_empty()
    }

    fn open(&mut self, byte: u8) {
        self.out.push(byte);
        self.comma = false;
    }

    fn close(&mut self, byte: u8) {
        self.out.push(byte);
        self.comma = true;
    }

    fn separate(&mut self) {
        if self.comma {
            self.out.push(b',');
        }
        self.comma = false;
    }

    fn raw(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
        self.comma = true;
    }
}

/// Writes `text` as a JSON string.
pub(crate) fn write_text(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let bytes = text.as_bytes();
    let mut start = 0;
    for (at, &byte) in bytes.iter().enumerate() {
        let escape: &[u8] = match byte {
            b'"' => b"\\\"",
            b'\\' => b"\\\\",
            b'\n' => b"\\n",
            b'\r' => b"\\r",
            b'\t' => b"\\t",
            0x00..0x20 => b"",
            _ => continue,
        };
        out.extend_from_slice(bytes.get(start..at).unwrap_or_default());
        if escape.is_empty() {
            out.extend_from_slice(format!("\\u{byte:04x}").as_bytes());
        } else {
            out.extend_from_slice(escape);
        }
        start = at + 1;
    }
    out.extend_from_slice(bytes.get(start..).unwrap_or_default());
    out.push(b'"');
}

impl ShapeWriter for JsonWriter {
    fn begin_structure(&mut self, _: &'static Schema) {
        self.open(b'{');
    }

    fn member(&mut self, member: &'static Member) {
        self.key(member.wire_name());
    }

    fn end_structure(&mut self) {
        self.close(b'}');
    }

    fn begin_list(&mut self, _: &'static Schema, _: usize) {
        self.open(b'[');
    }

    fn element(&mut self) {
        self.separate();
    }

    fn end_list(&mut self) {
        self.close(b']');
    }

    fn begin_map(&mut self, _: &'static Schema, _: usize) {
        self.open(b'{');
    }

    fn key(&mut self, key: &str) {
        self.separate();
        write_text(&mut self.out, key);
        self.out.push(b':');
    }

    fn end_map(&mut self) {
        self.close(b'}');
    }

    fn boolean(&mut self, value: bool) {
        self.raw(if value { "true" } else { "false" });
    }

    fn integer(&mut self, value: i64) {
        self.raw(itoa::Buffer::new().format(value));
    }

    fn float(&mut self, value: f64) {
        let text = float_text(value);
        if value.is_finite() {
            self.raw(&text);
        } else {
            self.string(&text);
        }
    }

    fn string(&mut self, value: &str) {
        write_text(&mut self.out, value);
        self.comma = true;
    }

    fn blob(&mut self, value: &Bytes) {
        self.string(&BASE64.encode(value));
    }

    fn timestamp(&mut self, member: &'static Member, value: Timestamp) {
        match member.timestamp_format_or(TimestampFormat::UnixTimestamp) {
            TimestampFormat::UnixTimestamp => self.raw(&epoch(value)),
            format => self.string(&value.write(format)),
        }
    }

    fn document(&mut self, value: &Document) {
        // A document is plain data, which always has a JSON form.
        let _ = serde_json::to_writer(&mut self.out, value);
        self.comma = true;
    }

    fn stream(&mut self, _: &Body) {
        // A stream travels as a payload, never inside JSON.
        self.raw("null");
    }

    fn null(&mut self) {
        self.raw("null");
    }
}

/// Seconds with as many decimals as there are milliseconds.
fn epoch(value: Timestamp) -> String {
    let (seconds, millis) = (value.seconds(), value.millis().rem_euclid(1000));
    match (seconds, millis) {
        (_, 0) => seconds.to_string(),
        (0.., _) => format!("{seconds}.{millis:03}"),
        _ => value.epoch_seconds().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use undercast_smithy::schema::prelude::TIMESTAMP;

    use super::*;

    #[test]
    fn text_is_escaped_as_json_wants_it() {
        for text in ["", "plain", "a\"b\\c\n\r\t\u{1}\u{1f}é😀\u{7f}"] {
            let mut out = Vec::new();
            write_text(&mut out, text);
            assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
        }
    }

    #[test]
    fn timestamps_keep_their_milliseconds() {
        static AT: Member = Member::new("At", &TIMESTAMP);
        let write = |millis| {
            let mut writer = JsonWriter::new();
            writer.timestamp(&AT, Timestamp::from_millis(millis));
            String::from_utf8(writer.finish()).unwrap()
        };
        assert_eq!(write(1_795_507_200_000), "1795507200");
        assert_eq!(write(1_795_507_200_040), "1795507200.040");
        assert_eq!(write(-1), "-0.001");
    }
}
