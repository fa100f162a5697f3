//! Tables and items.

pub mod api;
