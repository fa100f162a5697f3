//! What AWS does not have: dark runs and the release ladder. This crate is their inside: pure functions and one book.
//! The lane, the overlay, the sandbox and the operations are elsewhere.
//!
//! A dark run gives the same request to a *primary*, whose answer the user gets, and to a *candidate* in the dark.
//! What each side did is an [`compare::Observed`]: its answer, and its calls with side effects. From there:
//!
//! - [`compare`] says what *kinds* of difference there are between two of them, by rules;
//! - [`redact`] sees to it that no sample carries what must not be seen;
//! - [`ledger`] is the durable book of a run: counters, latencies, every distinct kind with samples;
//! - [`gate`] decides by such a book whether a step of a release may pass;
//! - [`ladder`] is the state machine of a release: dark, canary, everybody, and back;
//! - [`histogram`] is what latencies are kept in.
//!
//! Read first: `compare/mod.rs` (the vocabulary), `compare/walk.rs` (how two documents are walked), `ledger.rs`.
//!
//! Nothing here panics on any input, asks for the time or for chance, or holds more than a bound.

pub mod compare;
pub mod gate;
pub mod histogram;
pub mod ladder;
pub mod ledger;
pub mod redact;
