//! Generated shapes and operations.

pub mod logs;
