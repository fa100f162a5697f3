//! The domain: APIs and their parts in transactions, and what a request meets.

pub(crate) mod compiled;
pub(crate) mod event;
pub(crate) mod openapi;
pub(crate) mod parts;
pub(crate) mod reply;
