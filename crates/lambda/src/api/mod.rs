//! Generated shapes and operations.

pub mod lambda;
