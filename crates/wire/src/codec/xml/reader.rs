//! Reads shapes from an XML tree.

use std::borrow::Cow;

use bytes::Bytes;
use undercast_smithy::document::check_union;
use undercast_smithy::shape::{OnElement, OnEntry, OnMember};
use undercast_smithy::{Body, Document, Kind, Member, ReadError, Schema, ShapeReader, Timestamp};

use super::tree::Element;
use crate::codec::text::{Place, TextReader};

/// Stands at an element, at the elements of a flattened list or map, or at an attribute.
pub struct XmlReader<'a> {
    at: At<'a>,
}

enum At<'a> {
    Element(&'a Element<'a>),
    Flattened(Vec<&'a Element<'a>>),
    Attribute(&'a str),
}

impl<'a> XmlReader<'a> {
    pub fn new(element: &'a Element<'a>) -> Self {
        Self { at: At::Element(element) }
    }

    fn text(&self) -> &'a str {
        match &self.at {
            At::Element(element) => &element.text,
            At::Flattened(elements) => elements.first().map_or("", |e| &*e.text),
            At::Attribute(value) => value,
        }
    }

    fn children(&self) -> &'a [Element<'a>] {
        match &self.at {
            At::Element(element) => &element.children,
            At::Flattened(elements) => elements.first().map_or(&[], |e| &e.children),
            At::Attribute(_) => &[],
        }
    }

    fn scalar<T>(
        &self,
        read: impl FnOnce(&mut TextReader<'_>) -> Result<T, ReadError>,
    ) -> Result<T, ReadError> {
        read(&mut TextReader::new(&[Cow::Borrowed(self.text().trim_ascii())], Place::Query))
    }

    /// The reader for a member's value, where the member is there.
    fn find(&self, member: &'static Member) -> Option<XmlReader<'a>> {
        if member.xml_attribute {
            let At::Element(element) = &self.at else {
                return None;
            };
            let name = member.wire_name();
            let local = name.rsplit_once(':').map_or(name, |(_, local)| local);
            let found = element.attributes.iter().find(|(n, _)| {
                *n == name || n.rsplit_once(':').map_or(*n, |(_, local)| local) == local
            });
            return found.map(|(_, value)| XmlReader { at: At::Attribute(value) });
        }
        let name = element_name(member);
        let mut named = self.children().iter().filter(|child| child.name == name);
        if matches!(member.schema.kind, Kind::List(_) | Kind::Map(..)) && member.is_flattened() {
            let all: Vec<_> = named.collect();
            return (!all.is_empty()).then_some(XmlReader { at: At::Flattened(all) });
        }
        named.next().map(XmlReader::new)
    }

    /// The elements of the list or entries of the map that stands here.
    fn items(&self, name: &str) -> Vec<&'a Element<'a>> {
        match &self.at {
            At::Element(element) => element.children.iter().filter(|c| c.name == name).collect(),
            At::Flattened(elements) => elements.clone(),
            At::Attribute(_) => Vec::new(),
        }
    }
}

/// The element that holds a member: a flattened list whose elements have a name goes by that name.
pub(super) fn element_name(member: &'static Member) -> &'static str {
    if let Kind::List(element) = member.schema.kind
        && member.is_flattened()
        && let Some(name) = element.wire_name
    {
        return name;
    }
    member.wire_name()
}

impl ShapeReader for XmlReader<'_> {
    fn structure(&mut self, schema: &'static Schema, on: OnMember<'_>) -> Result<(), ReadError> {
        let mut found = 0;
        for (index, member) in schema.members().iter().enumerate() {
            if let Some(mut reader) = self.find(member) {
                found += 1;
                on(index, &mut reader)?;
            }
        }
        check_union(schema, found)
    }

    fn list(&mut self, schema: &'static Schema, on: OnElement<'_>) -> Result<(), ReadError> {
        let Kind::List(element) = schema.kind else {
            return Ok(());
        };
        let items = self.items(element.wire_name.unwrap_or("member"));
        items.into_iter().try_for_each(|item| on(&mut XmlReader::new(item)))
    }

    fn map(&mut self, schema: &'static Schema, on: OnEntry<'_>) -> Result<(), ReadError> {
        let Kind::Map(key, value) = schema.kind else {
            return Ok(());
        };
        let (key, value) = (key.wire_name.unwrap_or("key"), value.wire_name.unwrap_or("value"));
        for entry in self.items("entry") {
            let part = |name: &str| entry.children.iter().find(|child| child.name == name);
            if let (Some(key), Some(value)) = (part(key), part(value)) {
                on(key.text.clone().into_owned(), &mut XmlReader::new(value))?;
            }
        }
        Ok(())
    }

    fn boolean(&mut self) -> Result<bool, ReadError> {
        self.scalar(|text| text.boolean())
    }

    fn integer(&mut self) -> Result<i64, ReadError> {
        self.scalar(|text| text.integer())
    }

    fn float(&mut self) -> Result<f64, ReadError> {
        self.scalar(|text| text.float())
    }

    fn string(&mut self) -> Result<String, ReadError> {
        Ok(self.text().to_owned())
    }

    fn blob(&mut self) -> Result<Bytes, ReadError> {
        self.scalar(|text| text.blob())
    }

    fn timestamp(&mut self, member: &'static Member) -> Result<Timestamp, ReadError> {
        self.scalar(|text| text.timestamp(member))
    }

    fn document(&mut self) -> Result<Document, ReadError> {
        self.scalar(|text| text.document())
    }

    fn stream(&mut self) -> Result<Body, ReadError> {
        self.string().map(Body::from_bytes)
    }

    fn is_null(&mut self) -> bool {
        false
    }
}
