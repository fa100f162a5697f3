//! Why an invocation did not reach the function, or a sandbox could not be made.

/// Failures of ours. What goes wrong *inside* a function is an [`crate::Answer`] with
/// [`crate::AnswerStatus::FunctionError`].
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Every place for an instance on this host is busy.
    #[error("all {instances_max} instances of this host are busy")]
    Throttled { instances_max: usize },
    /// The runtime is not one that we can run here.
    #[error("runtime {runtime} is not available: {reason}")]
    RuntimeUnavailable { runtime: String, reason: String },
    /// The process could not be set up: our fault or the host's, not the function's.
    #[error("the instance could not be started: {0}")]
    Launch(String),
    /// The function was retired, or the sandbox is being drained.
    #[error("the sandbox is closing")]
    Gone,
    /// The working area cannot be used.
    #[error("{what}: {source}")]
    Io { what: String, source: std::io::Error },
}

impl Error {
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }
}
