//! What functions may cost: each resolution has a budget of work, which everything that is read or made
//! is paid from.

use std::cell::Cell;

use undercast_smithy::Document;

use super::Error;
use super::intrinsics::{Scope, Unresolved};

/// How much the functions of one value, or of all conditions, may read and make, in bytes. A few
/// nested calls could ask for more than any machine has.
pub(super) const WORK_MAX: usize = 8 << 20;

/// One resolution on its way.
pub(super) struct Run<'a> {
    pub(super) scope: &'a Scope<'a>,
    left: Cell<usize>,
}

impl<'a> Run<'a> {
    pub(super) fn new(scope: &'a Scope<'a>) -> Self {
        Self::with(scope, WORK_MAX)
    }

    pub(super) fn with(scope: &'a Scope<'a>, left: usize) -> Self {
        Self { scope, left: Cell::new(left) }
    }

    pub(super) fn left(&self) -> usize {
        self.left.get()
    }

    pub(super) fn spend(&self, bytes: usize) -> Result<(), Unresolved> {
        let Some(left) = self.left.get().checked_sub(bytes) else {
            self.left.set(0);
            return Err(Error::template("the functions of the template make too much text").into());
        };
        self.left.set(left);
        Ok(())
    }

    /// A value from elsewhere, which is paid for before it is copied.
    pub(super) fn copy(&self, value: &Document) -> Result<Document, Unresolved> {
        self.spend(size(value))?;
        Ok(value.clone())
    }

    pub(super) fn paid(&self, value: Document) -> Result<Document, Unresolved> {
        self.spend(size(&value))?;
        Ok(value)
    }
}

pub(super) fn size(value: &Document) -> usize {
    match value {
        Document::String(text) => 1 + text.len(),
        Document::Array(values) => 1 + values.iter().map(size).sum::<usize>(),
        Document::Object(entries) => {
            1 + entries.iter().map(|(key, value)| key.len() + size(value)).sum::<usize>()
        }
        _ => 1,
    }
}
