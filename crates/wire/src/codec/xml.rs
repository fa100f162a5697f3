//! XML, for restXml both ways and for the answers of query.

mod reader;
mod tree;
mod writer;

pub use reader::XmlReader;
pub use tree::{Element, parse};
pub use writer::XmlWriter;
pub(crate) use writer::escape;
