//! JSON, for awsJson and restJson.

mod reader;
mod writer;

pub(crate) use reader::BASE64;
pub use reader::JsonReader;
pub use writer::JsonWriter;
pub(crate) use writer::write_text;
