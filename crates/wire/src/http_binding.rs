//! Where the members of an operation travel in HTTP: labels, query, headers, status and payload.
//! Shared by restJson1 and restXml, which differ only in the format of the body.

mod reader;
mod writer;

pub(crate) use reader::header_text;
pub use reader::{BodyFormat, HttpReader};
pub use writer::{BodyWriter, HttpWriter};
