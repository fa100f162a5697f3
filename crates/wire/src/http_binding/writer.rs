//! Writes the output of a REST operation: each member to where it travels.

use base64::Engine as _;
use bytes::Bytes;
use undercast_smithy::{
    Binding, Body, Document, Member, Schema, ShapeWriter, Timestamp, TimestampFormat,
};

use crate::codec::float_text;
use crate::codec::json::{BASE64, JsonWriter};
use crate::codec::xml::XmlWriter;
use crate::reply::Reply;

/// What writes the body.
pub enum BodyWriter {
    Json(JsonWriter),
    Xml(XmlWriter),
}

impl BodyWriter {
    fn shape(&mut self) -> &mut dyn ShapeWriter {
        match self {
            Self::Json(writer) => writer,
            Self::Xml(writer) => writer,
        }
    }

    fn finish(self) -> Vec<u8> {
        match self {
            Self::Json(writer) => writer.finish(),
            Self::Xml(writer) => writer.finish().into_bytes(),
        }
    }
}

/// Where the current member of the root goes.
enum Target {
    Body,
    Header(&'static Member, String),
    Prefix(&'static str, String),
    Status,
    /// The payload: text, bytes or a stream as they are, structures in the body's format.
    Payload,
}

pub struct HttpWriter {
    pub reply: Reply,
    body: BodyWriter,
    /// How deep the event is below the root, whose own members are at 1.
    depth: usize,
    target: Target,
    /// Whether the output's own structure is in the body.
    rooted: bool,
    /// Whether the body has been given as it is.
    plain: bool,
}

impl HttpWriter {
    pub fn new(status: u16, body: BodyWriter) -> Self {
        let reply = Reply::new(status);
        Self { reply, body, depth: 0, target: Target::Body, rooted: true, plain: false }
    }

    /// The answer, and whatever has been written in the body's format, unless the payload is plain.
    pub fn finish(mut self) -> (Reply, Option<Vec<u8>>) {
        self.flush();
        let plain = self.plain;
        (self.reply, (!plain).then(|| self.body.finish()))
    }

    /// Sets the header that the last member filled.
    fn flush(&mut self) {
        if let Target::Header(member, value) = std::mem::replace(&mut self.target, Target::Body) {
            self.reply.header(member.wire_name(), &value);
        }
    }

    fn plain(&mut self, content_type: &'static str, body: Body) {
        if let http::header::Entry::Vacant(entry) =
            self.reply.headers.entry(http::header::CONTENT_TYPE)
        {
            entry.insert(http::HeaderValue::from_static(content_type));
        }
        self.reply.body = body;
        self.plain = true;
    }

    /// Takes a scalar as text where its target is not the body.
    fn text(&mut self, text: &str, quote: bool) -> bool {
        match &mut self.target {
            Target::Header(_, value) => {
                if self.depth > 1 && !value.is_empty() {
                    value.push_str(", ");
                }
                if quote && self.depth > 1 && text.contains([',', '"']) {
                    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
                    value.push_str(&format!("\"{escaped}\""));
                } else {
                    value.push_str(text);
                }
            }
            Target::Prefix(prefix, key) => {
                let name = format!("{prefix}{key}");
                self.reply.header(&name, text);
            }
            Target::Status => {
                if let Ok(status) = http::StatusCode::from_bytes(text.as_bytes()) {
                    self.reply.status = status;
                }
            }
            Target::Payload if self.depth == 1 => {
                self.plain("text/plain", Body::from_bytes(text.to_owned()));
            }
            Target::Payload | Target::Body => return false,
        }
        true
    }

    fn in_body(&self) -> bool {
        matches!(self.target, Target::Body | Target::Payload)
    }
}

impl ShapeWriter for HttpWriter {
    fn begin_structure(&mut self, schema: &'static Schema) {
        self.depth += 1;
        if self.depth == 1 {
            self.rooted = schema.payload().is_none();
            if !self.rooted {
                return;
            }
        }
        self.body.shape().begin_structure(schema);
    }

    fn member(&mut self, member: &'static Member) {
        if self.depth > 1 {
            return self.body.shape().member(member);
        }
        self.flush();
        self.target = match member.binding {
            Binding::Header => Target::Header(member, String::new()),
            Binding::PrefixHeaders => Target::Prefix(member.wire_name(), String::new()),
            Binding::Status => Target::Status,
            Binding::Payload => {
                if let BodyWriter::Xml(writer) = &mut self.body {
                    writer.member(member);
                }
                Target::Payload
            }
            _ => {
                self.body.shape().member(member);
                Target::Body
            }
        };
    }

    fn end_structure(&mut self) {
        self.depth -= 1;
        if self.depth == 0 {
            self.flush();
            if !self.rooted {
                return;
            }
        }
        self.body.shape().end_structure();
    }

    fn begin_list(&mut self, schema: &'static Schema, len: usize) {
        self.depth += 1;
        if self.in_body() {
            self.body.shape().begin_list(schema, len);
        }
    }

    fn element(&mut self) {
        if self.in_body() {
            self.body.shape().element();
        }
    }

    fn end_list(&mut self) {
        self.depth -= 1;
        if self.in_body() {
            self.body.shape().end_list();
        }
    }

    fn begin_map(&mut self, schema: &'static Schema, len: usize) {
        self.depth += 1;
        if self.in_body() {
            self.body.shape().begin_map(schema, len);
        }
    }

    fn key(&mut self, key: &str) {
        match &mut self.target {
            Target::Prefix(_, name) => key.clone_into(name),
            Target::Body | Target::Payload => self.body.shape().key(key),
            _ => {}
        }
    }

    fn end_map(&mut self) {
        self.depth -= 1;
        if self.in_body() {
            self.body.shape().end_map();
        }
    }

    fn boolean(&mut self, value: bool) {
        if self.in_body() {
            return self.body.shape().boolean(value);
        }
        self.text(if value { "true" } else { "false" }, false);
    }

    fn integer(&mut self, value: i64) {
        if self.in_body() {
            return self.body.shape().integer(value);
        }
        self.text(itoa::Buffer::new().format(value), false);
    }

    fn float(&mut self, value: f64) {
        if self.in_body() {
            return self.body.shape().float(value);
        }
        self.text(&float_text(value), false);
    }

    fn string(&mut self, value: &str) {
        if !self.text(value, true) {
            self.body.shape().string(value);
        }
    }

    fn blob(&mut self, value: &Bytes) {
        match self.target {
            Target::Payload if self.depth == 1 => {
                self.plain("application/octet-stream", Body::from_bytes(value.clone()));
            }
            Target::Payload | Target::Body => self.body.shape().blob(value),
            _ => {
                self.text(&BASE64.encode(value), false);
            }
        }
    }

    fn timestamp(&mut self, member: &'static Member, value: Timestamp) {
        if self.in_body() {
            return self.body.shape().timestamp(member, value);
        }
        let format = member.timestamp_format_or(TimestampFormat::HttpDate);
        self.text(&value.write(format), false);
    }

    fn document(&mut self, value: &Document) {
        if self.in_body() {
            return self.body.shape().document(value);
        }
        self.text(&value.to_string(), false);
    }

    fn stream(&mut self, value: &Body) {
        if matches!(self.target, Target::Payload) && self.depth == 1 {
            let kind = match value.is_events() {
                true => crate::event_stream::CONTENT_TYPE,
                false => "application/octet-stream",
            };
            self.plain(kind, value.clone());
        } else {
            self.body.shape().stream(value);
        }
    }

    fn null(&mut self) {
        if self.in_body() {
            self.body.shape().null();
        }
    }
}
