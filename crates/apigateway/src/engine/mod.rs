//! The domain: APIs and their parts in transactions, and what a request meets.

pub(crate) mod checks;
pub(crate) mod compiled;
pub(crate) mod domains;
pub(crate) mod event;
pub(crate) mod export;
pub(crate) mod jwt;
pub(crate) mod mapping;
pub(crate) mod openapi;
pub(crate) mod parts;
pub(crate) mod permit;
pub(crate) mod reply;
pub(crate) mod service;
pub(crate) mod throttle;
pub(crate) mod variables;
