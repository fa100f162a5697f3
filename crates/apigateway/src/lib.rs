//! Front doors: HTTP APIs.

pub mod api;
