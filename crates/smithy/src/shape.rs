//! Typed values and the object-safe readers and writers between them and any format.
//!
//! A writer is told about a value event by event; a reader calls back for each member that it finds.
//! Both are trait objects, so that code size is shapes plus formats instead of shapes times formats.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::{Body, Document, Member, Schema, Timestamp};

/// Binary data held in memory.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Blob(pub Bytes);

impl<T: Into<Bytes>> From<T> for Blob {
    fn from(bytes: T) -> Self {
        Self(bytes.into())
    }
}

/// What cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The bytes are not of the format at all.
    #[error("{0}")]
    Syntax(String),
    /// A value is of another kind than the model says.
    #[error("{0}")]
    Kind(String),
    /// A union without a member.
    #[error("union `{0}` has no member set")]
    UnionEmpty(&'static str),
    /// A union with more than one member.
    #[error("union `{0}` has more than one member set")]
    UnionMany(&'static str),
    /// Nested deeper, or larger, than we accept.
    #[error("{0}")]
    Limit(String),
}

/// Receives a value, event by event. Every value of a structure is preceded by [`member`], every
/// element of a list by [`element`] and every value of a map by [`key`].
///
/// [`member`]: ShapeWriter::member
/// [`element`]: ShapeWriter::element
/// [`key`]: ShapeWriter::key
pub trait ShapeWriter {
    fn begin_structure(&mut self, schema: &'static Schema);
    fn member(&mut self, member: &'static Member);
    fn end_structure(&mut self);
    fn begin_list(&mut self, schema: &'static Schema, len: usize);
    fn element(&mut self);
    fn end_list(&mut self);
    fn begin_map(&mut self, schema: &'static Schema, len: usize);
    fn key(&mut self, key: &str);
    fn end_map(&mut self);
    fn boolean(&mut self, value: bool);
    fn integer(&mut self, value: i64);
    fn float(&mut self, value: f64);
    fn string(&mut self, value: &str);
    fn blob(&mut self, value: &Bytes);
    fn timestamp(&mut self, member: &'static Member, value: Timestamp);
    fn document(&mut self, value: &Document);
    fn stream(&mut self, value: &Body);
    fn null(&mut self);
}

/// Called with the index of a member and the reader that stands at its value.
pub type OnMember<'a> = &'a mut dyn FnMut(usize, &mut dyn ShapeReader) -> Result<(), ReadError>;
/// Called for each element of a list.
pub type OnElement<'a> = &'a mut dyn FnMut(&mut dyn ShapeReader) -> Result<(), ReadError>;
/// Called for each entry of a map.
pub type OnEntry<'a> = &'a mut dyn FnMut(String, &mut dyn ShapeReader) -> Result<(), ReadError>;

/// Stands at a value and reads it as what the schema says. Unknown members are skipped, null members
/// count as absent. A callback has to read its value exactly once.
pub trait ShapeReader {
    fn structure(&mut self, schema: &'static Schema, on: OnMember<'_>) -> Result<(), ReadError>;
    fn list(&mut self, schema: &'static Schema, on: OnElement<'_>) -> Result<(), ReadError>;
    fn map(&mut self, schema: &'static Schema, on: OnEntry<'_>) -> Result<(), ReadError>;
    fn boolean(&mut self) -> Result<bool, ReadError>;
    fn integer(&mut self) -> Result<i64, ReadError>;
    fn float(&mut self) -> Result<f64, ReadError>;
    fn string(&mut self) -> Result<String, ReadError>;
    fn blob(&mut self) -> Result<Bytes, ReadError>;
    fn timestamp(&mut self, member: &'static Member) -> Result<Timestamp, ReadError>;
    fn document(&mut self) -> Result<Document, ReadError>;
    fn stream(&mut self) -> Result<Body, ReadError>;
    /// Whether the value is null; only sparse lists and maps ask.
    fn is_null(&mut self) -> bool;
}

/// A structure or union. Implemented by generated code.
pub trait Shape: Default + Send + Sync + 'static {
    const SCHEMA: &'static Schema;

    /// Writes the members that are set, each preceded by [`ShapeWriter::member`].
    fn write_members(&self, writer: &mut dyn ShapeWriter);

    /// Reads the value of the member at `index` into `self`.
    fn read_member(&mut self, index: usize, reader: &mut dyn ShapeReader) -> Result<(), ReadError>;
}

/// Anything a member can hold.
pub trait Value: Sized {
    fn write(&self, member: &'static Member, writer: &mut dyn ShapeWriter);
    fn read(member: &'static Member, reader: &mut dyn ShapeReader) -> Result<Self, ReadError>;
}

/// Reads a whole structure.
pub fn read_shape<T: Shape>(reader: &mut dyn ShapeReader) -> Result<T, ReadError> {
    let mut shape = T::default();
    reader.structure(T::SCHEMA, &mut |index, reader| shape.read_member(index, reader))?;
    Ok(shape)
}

/// Writes a whole structure.
pub fn write_shape<T: Shape>(shape: &T, writer: &mut dyn ShapeWriter) {
    writer.begin_structure(T::SCHEMA);
    shape.write_members(writer);
    writer.end_structure();
}

/// Writes a member that is always there. Generated code calls this.
pub fn write_member<T: Value>(value: &T, member: &'static Member, writer: &mut dyn ShapeWriter) {
    writer.member(member);
    value.write(member, writer);
}

/// Writes a member if it is set. Generated code calls this.
pub fn write_option<T: Value>(
    value: &Option<T>,
    member: &'static Member,
    writer: &mut dyn ShapeWriter,
) {
    if let Some(value) = value {
        write_member(value, member, writer);
    }
}

impl<T: Shape> Value for T {
    fn write(&self, _: &'static Member, writer: &mut dyn ShapeWriter) {
        write_shape(self, writer);
    }

    fn read(_: &'static Member, reader: &mut dyn ShapeReader) -> Result<Self, ReadError> {
        read_shape(reader)
    }
}

impl<T: Shape> Shape for Box<T> {
    const SCHEMA: &'static Schema = T::SCHEMA;

    fn write_members(&self, writer: &mut dyn ShapeWriter) {
        T::write_members(self, writer);
    }

    fn read_member(&mut self, index: usize, reader: &mut dyn ShapeReader) -> Result<(), ReadError> {
        T::read_member(self, index, reader)
    }
}

macro_rules! scalar {
    ($type:ty, $method:ident, |$value:ident| $write:expr, |$read:ident| $from:expr) => {
        impl Value for $type {
            fn write(&self, _: &'static Member, writer: &mut dyn ShapeWriter) {
                let $value = self;
                writer.$method($write);
            }

            fn read(_: &'static Member, reader: &mut dyn ShapeReader) -> Result<Self, ReadError> {
                let $read = reader.$method()?;
                $from
            }
        }
    };
}

scalar!(bool, boolean, |v| *v, |v| Ok(v));
scalar!(i64, integer, |v| *v, |v| Ok(v));
scalar!(i32, integer, |v| i64::from(*v), |v| i32::try_from(v)
    .map_err(|_| ReadError::Kind(format!("`{v}` is not a 32-bit integer"))));
scalar!(f64, float, |v| *v, |v| Ok(v));
scalar!(f32, float, |v| f64::from(*v), |v| Ok(v as f32));
scalar!(String, string, |v| v, |v| Ok(v));
scalar!(Blob, blob, |v| &v.0, |v| Ok(Blob(v)));
scalar!(Document, document, |v| v, |v| Ok(v));
scalar!(Body, stream, |v| v, |v| Ok(v));

impl Value for Timestamp {
    fn write(&self, member: &'static Member, writer: &mut dyn ShapeWriter) {
        writer.timestamp(member, *self);
    }

    fn read(member: &'static Member, reader: &mut dyn ShapeReader) -> Result<Self, ReadError> {
        reader.timestamp(member)
    }
}

impl<T: Value> Value for Option<T> {
    fn write(&self, member: &'static Member, writer: &mut dyn ShapeWriter) {
        match self {
            Some(value) => value.write(member, writer),
            None => writer.null(),
        }
    }

    fn read(member: &'static Member, reader: &mut dyn ShapeReader) -> Result<Self, ReadError> {
        if reader.is_null() {
            return Ok(None);
        }
        T::read(member, reader).map(Some)
    }
}

impl<T: Value> Value for Vec<T> {
    fn write(&self, member: &'static Member, writer: &mut dyn ShapeWriter) {
        let crate::Kind::List(element) = member.schema.kind else {
            return;
        };
        writer.begin_list(member.schema, self.len());
        for value in self {
            writer.element();
            value.write(element, writer);
        }
        writer.end_list();
    }

    fn read(member: &'static Member, reader: &mut dyn ShapeReader) -> Result<Self, ReadError> {
        let crate::Kind::List(element) = member.schema.kind else {
            return Ok(Self::new());
        };
        let mut values = Self::new();
        reader.list(member.schema, &mut |reader| {
            values.push(T::read(element, reader)?);
            Ok(())
        })?;
        Ok(values)
    }
}

impl<T: Value> Value for BTreeMap<String, T> {
    fn write(&self, member: &'static Member, writer: &mut dyn ShapeWriter) {
        let crate::Kind::Map(_, element) = member.schema.kind else {
            return;
        };
        writer.begin_map(member.schema, self.len());
        for (key, value) in self {
            writer.key(key);
            value.write(element, writer);
        }
        writer.end_map();
    }

    fn read(member: &'static Member, reader: &mut dyn ShapeReader) -> Result<Self, ReadError> {
        let crate::Kind::Map(_, element) = member.schema.kind else {
            return Ok(Self::new());
        };
        let mut values = Self::new();
        reader.map(member.schema, &mut |key, reader| {
            values.insert(key, T::read(element, reader)?);
            Ok(())
        })?;
        Ok(values)
    }
}
