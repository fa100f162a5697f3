//! Generated shapes and operations.

pub mod cloudformation;
