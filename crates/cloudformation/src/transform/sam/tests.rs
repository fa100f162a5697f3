//! Documents in, documents out.
