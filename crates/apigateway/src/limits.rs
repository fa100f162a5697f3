//! Every number that AWS documents, and those that bound us.

/// A request's body.
pub(crate) const BODY_BYTES_MAX: u64 = 10 << 20;
/// How much of a body is looked into by `$request.body.name`.
pub(crate) const MAPPED_BODY_BYTES_MAX: usize = 100 << 10;
pub(crate) const TIMEOUT_MS: u64 = 30_000;
pub(crate) const TIMEOUT_MIN_MS: u64 = 50;
/// What the APIs of an account may get in a second and region, and at once.
pub(crate) const ACCOUNT_RATE: f64 = 10_000.0;
pub(crate) const ACCOUNT_BURST: f64 = 5_000.0;
/// How long the keys of an issuer are kept.
pub(crate) const KEYS_GOOD_FOR_S: u64 = 2 * 60 * 60;
/// Until an issuer is asked again for a key that it did not have, or could not be asked for.
pub(crate) const KEYS_AGAIN_S: u64 = 1;
pub(crate) const ISSUERS_MAX: usize = 1_000;
pub(crate) const ISSUER_BYTES_MAX: u64 = 1 << 20;
pub(crate) const ISSUER_TIMEOUT_MS: u64 = 5_000;
/// Results of the authorizers of one stage that are kept.
pub(crate) const RESULTS_MAX: usize = 10_000;
pub(crate) const AUTHORIZERS_MAX: usize = 10;
pub(crate) const AUTHORIZER_TIMEOUT_MS: u64 = 10_000;
/// How often a request may go through HTTP APIs before it is taken for one that goes round.
pub(crate) const HOPS_MAX: usize = 5;
/// How many stages are kept compiled.
pub(crate) const STAGES_MAX: usize = 1_000;
pub(crate) const MAPPINGS_MAX: usize = 200;
pub(crate) const MAPPING_KEY_CHARS_MAX: usize = 300;
pub(crate) const ROWS_MAX: usize = 10_000;
/// Lines of access logs on their way.
pub(crate) const LOG_BUFFER_BYTES_MAX: usize = 8 << 20;
pub(crate) const LOG_BATCH_EVENTS_MAX: usize = 10_000;
pub(crate) const LOG_BATCH_BYTES_MAX: usize = 1_000_000;
