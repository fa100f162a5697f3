//! The format without bytes: a JSON value as reader and writer. Members carry their model names,
//! blobs are base64, timestamps are seconds since the epoch. Calls in process speak it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use serde_json::{Map, Value as Json};

use crate::shape::{OnElement, OnEntry, OnMember};
use crate::{
    Body, Kind, Member, ReadError, Schema, Shape, ShapeReader, ShapeWriter, Timestamp, read_shape,
    write_shape,
};

/// Untyped data.
pub type Document = Json;

/// Reads a shape from a document.
pub fn from_document<T: Shape>(document: &Document) -> Result<T, ReadError> {
    read_shape(&mut DocumentReader::new(document))
}

/// Writes a shape as a document.
pub fn to_document<T: Shape>(shape: &T) -> Document {
    let mut writer = DocumentWriter::default();
    write_shape(shape, &mut writer);
    writer.finish()
}

/// Reads from a document.
pub struct DocumentReader<'a> {
    value: &'a Json,
}

impl<'a> DocumentReader<'a> {
    pub fn new(value: &'a Json) -> Self {
        Self { value }
    }

    fn wrong(&self, expected: &str) -> ReadError {
        let found = match self.value {
            Json::Null => "null",
            Json::Bool(_) => "a boolean",
            Json::Number(_) => "a number",
            Json::String(_) => "a string",
            Json::Array(_) => "a list",
            Json::Object(_) => "an object",
        };
        ReadError::Kind(format!("expected {expected}, found {found}"))
    }
}

impl ShapeReader for DocumentReader<'_> {
    fn structure(&mut self, schema: &'static Schema, on: OnMember<'_>) -> Result<(), ReadError> {
        let Json::Object(object) = self.value else {
            return Err(self.wrong("an object"));
        };
        let mut found = 0;
        for (name, value) in object {
            if value.is_null() {
                continue;
            }
            let Some(index) = schema.member_by_name(name) else {
                continue;
            };
            found += 1;
            on(index, &mut DocumentReader { value })?;
        }
        check_union(schema, found)
    }

    fn list(&mut self, _: &'static Schema, on: OnElement<'_>) -> Result<(), ReadError> {
        let Json::Array(values) = self.value else {
            return Err(self.wrong("a list"));
        };
        values.iter().try_for_each(|value| on(&mut DocumentReader { value }))
    }

    fn map(&mut self, _: &'static Schema, on: OnEntry<'_>) -> Result<(), ReadError> {
        let Json::Object(object) = self.value else {
            return Err(self.wrong("an object"));
        };
        object.iter().try_for_each(|(key, value)| on(key.clone(), &mut DocumentReader { value }))
    }

    fn boolean(&mut self) -> Result<bool, ReadError> {
        match self.value {
            Json::Bool(value) => Ok(*value),
            Json::String(text) if text == "true" => Ok(true),
            Json::String(text) if text == "false" => Ok(false),
            _ => Err(self.wrong("a boolean")),
        }
    }

    fn integer(&mut self) -> Result<i64, ReadError> {
        match self.value {
            Json::Number(number) => number
                .as_i64()
                .or_else(|| number.as_f64().filter(|f| f.fract() == 0.0).map(|f| f as i64))
                .ok_or_else(|| self.wrong("an integer")),
            Json::String(text) => text.parse().map_err(|_| self.wrong("an integer")),
            _ => Err(self.wrong("an integer")),
        }
    }

    fn float(&mut self) -> Result<f64, ReadError> {
        match self.value {
            Json::Number(number) => number.as_f64().ok_or_else(|| self.wrong("a number")),
            Json::String(text) => text.parse().map_err(|_| self.wrong("a number")),
            _ => Err(self.wrong("a number")),
        }
    }

    fn string(&mut self) -> Result<String, ReadError> {
        match self.value {
            Json::String(text) => Ok(text.clone()),
            // Templates write numbers and booleans where a string is meant.
            Json::Number(number) => Ok(number.to_string()),
            Json::Bool(value) => Ok(value.to_string()),
            _ => Err(self.wrong("a string")),
        }
    }

    fn blob(&mut self) -> Result<Bytes, ReadError> {
        let Json::String(text) = self.value else {
            return Err(self.wrong("base64 text"));
        };
        BASE64.decode(text).map(Bytes::from).map_err(|_| self.wrong("base64 text"))
    }

    fn timestamp(&mut self, _: &'static Member) -> Result<Timestamp, ReadError> {
        match self.value {
            Json::Number(number) => number
                .as_f64()
                .map(Timestamp::from_epoch_seconds)
                .ok_or_else(|| self.wrong("a timestamp")),
            Json::String(text) => Timestamp::parse(text).ok_or_else(|| self.wrong("a timestamp")),
            _ => Err(self.wrong("a timestamp")),
        }
    }

    fn document(&mut self) -> Result<Document, ReadError> {
        Ok(self.value.clone())
    }

    fn stream(&mut self) -> Result<Body, ReadError> {
        match self.value {
            Json::String(text) => Ok(Body::from_bytes(text.clone())),
            other => Ok(Body::from_bytes(other.to_string())),
        }
    }

    fn is_null(&mut self) -> bool {
        self.value.is_null()
    }
}

/// A union has to have exactly one member. Every reader ends a structure with this check.
pub fn check_union(schema: &'static Schema, found: usize) -> Result<(), ReadError> {
    match (schema.kind, found) {
        (Kind::Union(_), 0) => Err(ReadError::UnionEmpty(schema.name)),
        (Kind::Union(_), 2..) => Err(ReadError::UnionMany(schema.name)),
        _ => Ok(()),
    }
}

/// Writes a document.
#[derive(Default)]
pub struct DocumentWriter {
    stack: Vec<Frame>,
    done: Option<Json>,
    body: Option<Body>,
}

enum Frame {
    Object { object: Map<String, Json>, key: String },
    List(Vec<Json>),
}

impl DocumentWriter {
    pub fn finish(self) -> Document {
        self.done.unwrap_or(Json::Null)
    }

    /// The document, and the stream that the shape carries beside it.
    pub fn finish_with_body(self) -> (Document, Body) {
        (self.done.unwrap_or(Json::Null), self.body.unwrap_or_default())
    }

    fn value(&mut self, value: Json) {
        match self.stack.last_mut() {
            Some(Frame::Object { object, key }) => {
                object.insert(std::mem::take(key), value);
            }
            Some(Frame::List(values)) => values.push(value),
            None => self.done = Some(value),
        }
    }

    fn begin_object(&mut self) {
        self.stack.push(Frame::Object { object: Map::new(), key: String::new() });
    }

    fn end(&mut self) {
        let value = match self.stack.pop() {
            Some(Frame::Object { object, .. }) => Json::Object(object),
            Some(Frame::List(values)) => Json::Array(values),
            None => return,
        };
        self.value(value);
    }

    fn set_key(&mut self, name: &str) {
        if let Some(Frame::Object { key, .. }) = self.stack.last_mut() {
            name.clone_into(key);
        }
    }
}

impl ShapeWriter for DocumentWriter {
    fn begin_structure(&mut self, _: &'static Schema) {
        self.begin_object();
    }

    fn member(&mut self, member: &'static Member) {
        self.set_key(member.name);
    }

    fn end_structure(&mut self) {
        self.end();
    }

    fn begin_list(&mut self, _: &'static Schema, len: usize) {
        self.stack.push(Frame::List(Vec::with_capacity(len)));
    }

    fn element(&mut self) {}

    fn end_list(&mut self) {
        self.end();
    }

    fn begin_map(&mut self, _: &'static Schema, _: usize) {
        self.begin_object();
    }

    fn key(&mut self, key: &str) {
        self.set_key(key);
    }

    fn end_map(&mut self) {
        self.end();
    }

    fn boolean(&mut self, value: bool) {
        self.value(Json::Bool(value));
    }

    fn integer(&mut self, value: i64) {
        self.value(value.into());
    }

    fn float(&mut self, value: f64) {
        self.value(serde_json::Number::from_f64(value).map_or(Json::Null, Json::Number));
    }

    fn string(&mut self, value: &str) {
        self.value(value.into());
    }

    fn blob(&mut self, value: &Bytes) {
        self.value(BASE64.encode(value).into());
    }

    fn timestamp(&mut self, _: &'static Member, value: Timestamp) {
        if value.millis().rem_euclid(1000) == 0 {
            self.integer(value.seconds());
        } else {
            self.float(value.epoch_seconds());
        }
    }

    fn document(&mut self, value: &Document) {
        self.value(value.clone());
    }

    fn stream(&mut self, value: &Body) {
        // A stream is never in a document.
        self.body = Some(value.clone());
        self.value(Json::Null);
    }

    fn null(&mut self) {
        self.value(Json::Null);
    }
}
