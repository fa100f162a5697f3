//! The domain: no shapes, no HTTP.

pub(crate) mod bucket;
pub(crate) mod checksum;
pub(crate) mod condition;
pub(crate) mod copy;
pub(crate) mod ingest;
pub(crate) mod list;
pub(crate) mod lock;
pub(crate) mod notify;
pub(crate) mod object;
pub(crate) mod policy;
pub(crate) mod read;
pub(crate) mod tags;
pub(crate) mod upload;
pub(crate) mod version;
