//! What a shape is.
//!
//! Every AWS service is described by a model: operations with an input, an output and errors, and the
//! shapes they are made of. A generator (`cargo xtask codegen`) turns the models under `models/` into
//! plain Rust structures and `static` [`Schema`]s. This crate owns what both sides of that generated
//! code stand on:
//!
//! * [`schema`]: the vocabulary of a schema: kinds, members, bindings, constraints, operations.
//! * [`shape`]: [`Shape`] and [`Value`], implemented by generated and primitive types, and the
//!   object-safe [`ShapeReader`] and [`ShapeWriter`] that every format implements once.
//! * [`document`]: the format without bytes: a JSON value as reader and writer, for calls in process.
//! * [`validate`]: constraint checks with AWS's wording, as a reader around a reader.
//! * [`checksum`]: the checksums of content that models name.
//! * [`body`] and [`timestamp`]: streams of bytes and points in time.
//!
//! It knows no HTTP and no wire format; those live in `undercast-wire`.

pub mod body;
pub mod checksum;
pub mod document;
pub mod schema;
pub mod shape;
pub mod timestamp;
pub mod validate;

pub use body::{Body, BodyError, Content, Event};
pub use document::{Document, from_document, to_document};
pub use schema::{
    Binding, ErrorSchema, Fault, Kind, Member, OperationSchema, Protocol, Route, Schema,
    ServiceSchema,
};
pub use shape::{Blob, ReadError, Shape, ShapeReader, ShapeWriter, Value, read_shape, write_shape};
pub use timestamp::{Timestamp, TimestampFormat};
