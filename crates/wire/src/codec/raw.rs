//! A payload that is one value: text, bytes, a document or a stream.

use bytes::Bytes;
use undercast_smithy::{Body, Document, ReadError, ShapeReader};

use super::json::JsonReader;
use super::refuse;

pub struct RawReader {
    body: Body,
    bytes: Bytes,
}

impl RawReader {
    pub fn bytes(bytes: Bytes) -> Self {
        Self { body: Body::default(), bytes }
    }

    pub fn stream(body: Body) -> Self {
        Self { body, bytes: Bytes::new() }
    }
}

impl ShapeReader for RawReader {
    refuse!(structure list map boolean integer float timestamp is_null);

    fn string(&mut self) -> Result<String, ReadError> {
        String::from_utf8(self.bytes.to_vec())
            .map_err(|_| ReadError::Kind("The request body is not valid UTF-8.".to_owned()))
    }

    fn blob(&mut self) -> Result<Bytes, ReadError> {
        Ok(self.bytes.clone())
    }

    fn document(&mut self) -> Result<Document, ReadError> {
        JsonReader::new(&self.bytes)?.document()
    }

    fn stream(&mut self) -> Result<Body, ReadError> {
        if self.bytes.is_empty() {
            Ok(self.body.clone())
        } else {
            Ok(Body::from_bytes(self.bytes.clone()))
        }
    }
}
