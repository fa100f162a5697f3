//! Templates: reading, checking, resolving. Pure functions, no store and no clock.

pub mod intrinsics;
pub mod model;
pub mod parameters;
mod run;
pub mod yaml;

pub use intrinsics::{Lookup, Pseudo, Scope};
pub use model::{ResourceDefinition, Template};

use std::fmt;

/// Why a template cannot be used, in AWS's words: the text of a `ValidationError`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error(pub String);

impl Error {
    /// `Template format error: …`
    pub fn format(message: impl fmt::Display) -> Self {
        Self(format!("Template format error: {message}"))
    }

    /// `Template error: …`
    pub fn template(message: impl fmt::Display) -> Self {
        Self(format!("Template error: {message}"))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}
