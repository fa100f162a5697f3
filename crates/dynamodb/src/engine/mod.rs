//! Tables and items at work: keys, descriptions, writes with their indexes, reads in pages.

pub(crate) mod capacity;
pub(crate) mod definition;
pub(crate) mod describe;
pub(crate) mod key;
pub(crate) mod mutation;
pub(crate) mod read;
pub(crate) mod statement;
pub(crate) mod stream;
pub(crate) mod table;
pub(crate) mod write;
