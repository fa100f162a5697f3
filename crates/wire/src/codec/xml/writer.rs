//! Writes shapes as XML elements.

use base64::Engine as _;
use bytes::Bytes;
use undercast_smithy::{
    Body, Document, Kind, Member, Schema, ShapeWriter, Timestamp, TimestampFormat,
};

use super::reader::element_name;
use crate::codec::float_text;
use crate::codec::json::BASE64;
use crate::codec::query::entry_names;

#[derive(Default)]
pub struct XmlWriter {
    out: String,
    /// The tag that the next value gets; none for the root, whose tags the protocol writes.
    tag: Option<&'static str>,
    /// The member whose value comes next.
    member: Option<&'static Member>,
    stack: Vec<Frame>,
    /// The namespace that the first tag declares.
    namespace: Option<&'static str>,
    /// Services of restXml write milliseconds even where there are none.
    millis: bool,
}

enum Frame {
    Structure {
        tag: Option<&'static str>,
        attributes_at: usize,
    },
    List {
        wrapper: Option<&'static str>,
        element: &'static str,
    },
    Map {
        wrapper: Option<&'static str>,
        entry: &'static str,
        key: &'static str,
        value: &'static str,
    },
}

impl XmlWriter {
    pub fn new() -> Self {
        let out = String::with_capacity(512);
        Self { out, ..Self::default() }
    }

    /// The first structure gets `tag`, and the first tag of all declares `namespace`.
    pub fn root(&mut self, tag: Option<&'static str>, namespace: Option<&'static str>) {
        self.tag = tag;
        self.namespace = namespace;
    }

    /// Timestamps always carry milliseconds.
    #[must_use]
    pub fn with_millis(mut self) -> Self {
        self.millis = true;
        self
    }

    /// Writes what no shape says: prologues and wrappers.
    pub fn raw(&mut self, text: &str) {
        self.out.push_str(text);
    }

    pub fn finish(self) -> String {
        self.out
    }

    fn open(&mut self, tag: &str) {
        self.out.push('<');
        self.out.push_str(tag);
        if let Some(namespace) = self.namespace.take() {
            self.out.push_str(" xmlns=\"");
            self.out.push_str(namespace);
            self.out.push('"');
        }
        self.out.push('>');
    }

    fn close(&mut self, tag: Option<&str>) {
        if let Some(tag) = tag {
            self.out.push_str("</");
            self.out.push_str(tag);
            self.out.push('>');
        }
    }

    /// A value ends here; in a map so does its entry.
    fn done(&mut self) {
        self.member = None;
        if let Some(Frame::Map { entry, .. }) = self.stack.last() {
            let entry = *entry;
            self.close(Some(entry));
        }
    }

    fn scalar(&mut self, text: &str) {
        if let Some(member) = self.member.filter(|m| m.xml_attribute) {
            self.attribute(member.wire_name(), text);
        } else {
            let tag = self.tag.take();
            if let Some(tag) = tag {
                self.open(tag);
            }
            escape(&mut self.out, text);
            self.close(tag);
        }
        self.done();
    }

    /// Puts an attribute into the start tag of the structure that is being written.
    fn attribute(&mut self, name: &str, value: &str) {
        let Some(Frame::Structure { attributes_at, .. }) = self.stack.last_mut() else {
            return;
        };
        let mut text = String::new();
        if name.starts_with("xsi:") {
            text.push_str(" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"");
        }
        text.push(' ');
        text.push_str(name);
        text.push_str("=\"");
        escape(&mut text, value);
        text.push('"');
        let at = *attributes_at;
        *attributes_at += text.len();
        self.out.insert_str(at, &text);
    }

    fn is_flattened(&self, schema: &'static Schema) -> bool {
        schema.flattened || self.member.is_some_and(|m| m.flattened)
    }
}

/// Escapes text for elements and attributes alike.
pub(crate) fn escape(out: &mut String, text: &str) {
    let mut start = 0;
    for (at, byte) in text.bytes().enumerate() {
        let escaped = match byte {
            b'&' => "&amp;",
            b'<' => "&lt;",
            b'>' => "&gt;",
            b'"' => "&quot;",
            b'\r' => "&#13;",
            0..0x20 if byte != b'\n' && byte != b'\t' => "",
            _ => continue,
        };
        out.push_str(text.get(start..at).unwrap_or_default());
        if escaped.is_empty() {
            out.push_str(&format!("&#x{byte:x};"));
        } else {
            out.push_str(escaped);
        }
        start = at + 1;
    }
    out.push_str(text.get(start..).unwrap_or_default());
}

impl ShapeWriter for XmlWriter {
    fn begin_structure(&mut self, _: &'static Schema) {
        let tag = self.tag.take();
        if let Some(tag) = tag {
            self.open(tag);
        }
        self.member = None;
        let attributes_at = self.out.len().saturating_sub(1);
        self.stack.push(Frame::Structure { tag, attributes_at });
    }

    fn member(&mut self, member: &'static Member) {
        self.member = Some(member);
        self.tag = Some(member.query_name.unwrap_or_else(|| element_name(member)));
    }

    fn end_structure(&mut self) {
        if let Some(Frame::Structure { tag, .. }) = self.stack.pop() {
            self.close(tag);
        }
        self.done();
    }

    fn begin_list(&mut self, schema: &'static Schema, _: usize) {
        let Kind::List(element) = schema.kind else {
            return;
        };
        let tag = self.tag.take();
        let frame = if self.is_flattened(schema) {
            Frame::List { wrapper: None, element: tag.unwrap_or("member") }
        } else {
            if let Some(tag) = tag {
                self.open(tag);
            }
            Frame::List { wrapper: tag, element: element.wire_name.unwrap_or("member") }
        };
        self.stack.push(frame);
    }

    fn element(&mut self) {
        self.member = None;
        if let Some(Frame::List { element, .. }) = self.stack.last() {
            self.tag = Some(element);
        }
    }

    fn end_list(&mut self) {
        if let Some(Frame::List { wrapper, .. }) = self.stack.pop() {
            self.close(wrapper);
        }
        self.done();
    }

    fn begin_map(&mut self, schema: &'static Schema, _: usize) {
        let Kind::Map(key, value) = schema.kind else {
            return;
        };
        let (key, value) = entry_names(self.member, key, value);
        let tag = self.tag.take();
        let frame = if self.is_flattened(schema) {
            Frame::Map { wrapper: None, entry: tag.unwrap_or("entry"), key, value }
        } else {
            if let Some(tag) = tag {
                self.open(tag);
            }
            Frame::Map { wrapper: tag, entry: "entry", key, value }
        };
        self.stack.push(frame);
    }

    fn key(&mut self, name: &str) {
        self.member = None;
        let Some(Frame::Map { entry, key, value, .. }) = self.stack.last() else {
            return;
        };
        let (entry, key, value) = (*entry, *key, *value);
        self.open(entry);
        self.open(key);
        escape(&mut self.out, name);
        self.close(Some(key));
        self.tag = Some(value);
    }

    fn end_map(&mut self) {
        if let Some(Frame::Map { wrapper, .. }) = self.stack.pop() {
            self.close(wrapper);
        }
        self.done();
    }

    fn boolean(&mut self, value: bool) {
        self.scalar(if value { "true" } else { "false" });
    }

    fn integer(&mut self, value: i64) {
        self.scalar(itoa::Buffer::new().format(value));
    }

    fn float(&mut self, value: f64) {
        self.scalar(&float_text(value));
    }

    fn string(&mut self, value: &str) {
        self.scalar(value);
    }

    fn blob(&mut self, value: &Bytes) {
        self.scalar(&BASE64.encode(value));
    }

    fn timestamp(&mut self, member: &'static Member, value: Timestamp) {
        let text = match member.timestamp_format_or(TimestampFormat::Iso8601) {
            TimestampFormat::Iso8601 if self.millis => value.iso8601_millis(),
            format => value.write(format),
        };
        self.scalar(&text);
    }

    fn document(&mut self, value: &Document) {
        self.scalar(&value.to_string());
    }

    fn stream(&mut self, _: &Body) {
        // A stream travels as a payload, never inside XML.
        self.null();
    }

    fn null(&mut self) {
        self.scalar("");
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use undercast_smithy::schema::prelude::{LONG, STRING};
    use undercast_smithy::{ShapeReader, Value};

    use super::super::{XmlReader, parse};
    use super::*;

    static TEXT: Member = Member::new("member", &STRING);
    static KEY: Member = Member::new("key", &STRING);
    static VALUE: Member = Member::new("value", &STRING);
    static LIST: Schema = Schema::new("List", Kind::List(&TEXT));
    static MAP: Schema = Schema::new("Map", Kind::Map(&KEY, &VALUE));
    static MEMBERS: &[Member] = &[
        Member::new("List", &LIST).wire("L"),
        Member::new("Flat", &LIST).flattened(),
        Member::new("Map", &MAP),
        Member::new("FlatMap", &MAP).flattened(),
        Member::new("Type", &STRING).wire("xsi:type").xml_attribute(),
        Member::new("N", &LONG),
    ];
    static SHAPE: Schema = Schema::new("Shape", Kind::Structure(MEMBERS));

    #[test]
    fn every_form_of_list_and_map_is_read_back() {
        let list = vec!["a<&>\"".to_owned(), "b\r".to_owned()];
        let map =
            BTreeMap::from([("k1".to_owned(), "v1".to_owned()), ("k2".into(), String::new())]);
        let mut writer = XmlWriter::new();
        writer.raw("<R>");
        writer.begin_structure(&SHAPE);
        for member in MEMBERS {
            writer.member(member);
            match member.name {
                "List" | "Flat" => list.write(member, &mut writer),
                "Map" | "FlatMap" => map.write(member, &mut writer),
                "Type" => writer.string("CanonicalUser"),
                _ => writer.integer(-7),
            }
        }
        writer.end_structure();
        writer.raw("</R>");
        let text = writer.finish();
        assert_eq!(
            text,
            "<R xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"CanonicalUser\">\
             <L><member>a&lt;&amp;&gt;&quot;</member><member>b&#13;</member></L>\
             <Flat>a&lt;&amp;&gt;&quot;</Flat><Flat>b&#13;</Flat>\
             <Map><entry><key>k1</key><value>v1</value></entry><entry><key>k2</key><value></value></entry></Map>\
             <FlatMap><key>k1</key><value>v1</value></FlatMap><FlatMap><key>k2</key><value></value></FlatMap>\
             <N>-7</N></R>"
        );
        let root = parse(&text).unwrap();
        let mut seen = 0;
        XmlReader::new(&root)
            .structure(&SHAPE, &mut |index, reader| {
                seen += 1;
                let member = &MEMBERS[index];
                match member.name {
                    "List" | "Flat" => assert_eq!(Vec::<String>::read(member, reader)?, list),
                    "Map" | "FlatMap" => {
                        assert_eq!(BTreeMap::<String, String>::read(member, reader)?, map);
                    }
                    "Type" => assert_eq!(reader.string()?, "CanonicalUser"),
                    _ => assert_eq!(reader.integer()?, -7),
                }
                Ok(())
            })
            .unwrap();
        assert_eq!(seen, MEMBERS.len());
    }
}
