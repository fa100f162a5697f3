//! Reads the input of a REST operation from the parts of a request.

use std::borrow::Cow;

use http::HeaderMap;
use undercast_smithy::shape::OnMember;
use undercast_smithy::{Binding, Body, Kind, Member, ReadError, Schema, ShapeReader};

use crate::codec::json::JsonReader;
use crate::codec::query::Pairs;
use crate::codec::raw::RawReader;
use crate::codec::refuse;
use crate::codec::text::{EntriesReader, Place, TextReader};
use crate::codec::xml::{XmlReader, parse};

/// The format of what a body says beside its payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyFormat {
    Json,
    Xml,
}

/// Stands at the input as a whole.
pub struct HttpReader<'a> {
    pub format: BodyFormat,
    pub labels: &'a [(&'static str, Cow<'a, str>)],
    pub query: &'a Pairs<'a>,
    pub headers: &'a HeaderMap,
    /// The whole body, unless the payload is a stream.
    pub bytes: &'a bytes::Bytes,
    pub stream: Body,
}

impl HttpReader<'_> {
    fn label(&self, index: usize, member: &Member, on: &mut OnMember<'_>) -> Result<(), ReadError> {
        let name = member.wire_name();
        match self.labels.iter().find(|(label, _)| *label == name || *label == member.name) {
            Some((_, value)) => {
                on(index, &mut TextReader::new(std::slice::from_ref(value), Place::Query))
            }
            None => Ok(()),
        }
    }

    fn query(&self, index: usize, member: &Member, on: &mut OnMember<'_>) -> Result<(), ReadError> {
        let name = member.wire_name();
        let found = self.query.iter().filter(|(key, _)| key == name);
        let mut values: Vec<_> = found.map(|(_, value)| value.clone()).collect();
        // An empty parameter is no number, boolean or time: clients mean that it is not set.
        if !matches!(member.schema.kind, Kind::String | Kind::List(_)) {
            values.retain(|value| !value.is_empty());
        }
        if values.is_empty() {
            return Ok(());
        }
        on(index, &mut TextReader::new(&values, Place::Query))
    }

    fn query_map(
        &self,
        index: usize,
        schema: &'static Schema,
        on: &mut OnMember<'_>,
    ) -> Result<(), ReadError> {
        let claimed = |key: &str| {
            let mut bound = schema.members().iter().filter(|m| m.binding == Binding::Query);
            bound.any(|m| m.wire_name() == key)
        };
        let rest = self.query.iter().filter(|(key, _)| !claimed(key));
        let mut entries =
            EntriesReader::new(rest.map(|(key, value)| (key.clone().into_owned(), value.clone())));
        if entries.is_empty() { Ok(()) } else { on(index, &mut entries) }
    }

    fn header(
        &self,
        index: usize,
        member: &Member,
        on: &mut OnMember<'_>,
    ) -> Result<(), ReadError> {
        let values = self.headers.get_all(member.wire_name()).iter();
        let values: Vec<_> = values.map(|value| header_text(value.as_bytes())).collect();
        let text = matches!(member.schema.kind, Kind::String);
        if values.is_empty() || (!text && values.iter().all(|value| value.is_empty())) {
            return Ok(());
        }
        on(index, &mut TextReader::new(&values, Place::Header))
    }

    fn prefix_headers(
        &self,
        index: usize,
        member: &Member,
        on: &mut OnMember<'_>,
    ) -> Result<(), ReadError> {
        let prefix = member.wire_name().to_ascii_lowercase();
        let named = self.headers.iter().filter_map(|(name, value)| {
            let key = name.as_str().strip_prefix(prefix.as_str())?;
            Some((key.to_owned(), header_text(value.as_bytes())))
        });
        let mut entries = EntriesReader::new(named);
        if entries.is_empty() { Ok(()) } else { on(index, &mut entries) }
    }

    fn payload(
        &self,
        index: usize,
        member: &'static Member,
        on: &mut OnMember<'_>,
    ) -> Result<(), ReadError> {
        match member.schema.kind {
            Kind::Stream if self.bytes.is_empty() => {
                on(index, &mut RawReader::stream(self.stream.clone()))
            }
            _ if self.bytes.is_empty() => Ok(()),
            Kind::Stream | Kind::Blob | Kind::String | Kind::Document => {
                on(index, &mut RawReader::bytes(self.bytes.clone()))
            }
            _ => self.with_body(|reader| on(index, reader)),
        }
    }

    /// Reads the members that travel in the body itself.
    fn body(&self, schema: &'static Schema, on: &mut OnMember<'_>) -> Result<(), ReadError> {
        let members = schema.members();
        if self.bytes.is_empty() || members.iter().all(|m| m.binding != Binding::Body) {
            return Ok(());
        }
        self.with_body(|reader| {
            reader.structure(schema, &mut |index, reader| match members
                .get(index)
                .map(|m| m.binding)
            {
                Some(Binding::Body) => on(index, reader),
                _ => Ok(()),
            })
        })
    }

    fn with_body(
        &self,
        read: impl FnOnce(&mut dyn ShapeReader) -> Result<(), ReadError>,
    ) -> Result<(), ReadError> {
        match self.format {
            BodyFormat::Json => read(&mut JsonReader::new(self.bytes)?),
            BodyFormat::Xml => {
                let text = std::str::from_utf8(self.bytes).map_err(|_| {
                    ReadError::Syntax("The request body is not valid UTF-8.".to_owned())
                })?;
                read(&mut XmlReader::new(&parse(text)?))
            }
        }
    }
}

/// A header's value: UTF-8, or else Latin-1, which older clients send.
pub(crate) fn header_text(value: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(value) {
        Ok(text) => Cow::Borrowed(text.trim()),
        Err(_) => Cow::Owned(value.iter().map(|b| char::from(*b)).collect()),
    }
}

impl ShapeReader for HttpReader<'_> {
    refuse!(list map boolean integer float string blob timestamp document stream is_null);

    fn structure(&mut self, schema: &'static Schema, on: OnMember<'_>) -> Result<(), ReadError> {
        let mut on = on;
        for (index, member) in schema.members().iter().enumerate() {
            match member.binding {
                Binding::Label => self.label(index, member, &mut on)?,
                Binding::Query => self.query(index, member, &mut on)?,
                Binding::QueryMap => self.query_map(index, schema, &mut on)?,
                Binding::Header => self.header(index, member, &mut on)?,
                Binding::PrefixHeaders => self.prefix_headers(index, member, &mut on)?,
                Binding::Payload => self.payload(index, member, &mut on)?,
                Binding::Status | Binding::Body => {}
            }
        }
        if schema.payload().is_some() { Ok(()) } else { self.body(schema, &mut on) }
    }
}
