//! Generated shapes and operations.

pub mod release;
