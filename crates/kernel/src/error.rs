//! What an operation answers when it does not do what it was asked to.

use std::error::Error as StdError;
use std::fmt;

use undercast_smithy::{Document, Fault};

/// An error for the caller: boxed, one word. `message` is for the caller, `source` for the log.
#[derive(Debug)]
pub struct ServiceError(Box<Inner>);

#[derive(Debug)]
struct Inner {
    code: String,
    message: String,
    fault: Fault,
    status: Option<u16>,
    /// Further members of the error's shape, by their model names.
    fields: Vec<(&'static str, Document)>,
    headers: Vec<(&'static str, String)>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl ServiceError {
    /// An error that the caller caused. `code` is the shape's name in the model, from which the HTTP
    /// status and the query code follow; a code that the model does not know answers 400.
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            code: code.into(),
            message: message.into(),
            fault: Fault::Sender,
            status: None,
            fields: Vec::new(),
            headers: Vec::new(),
            source: None,
        }))
    }

    /// An error that is ours. The caller sees no detail; the log sees `source`.
    pub fn internal(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        let mut error = Self::new(
            "InternalFailure",
            "The request processing has failed because of an unknown error, exception or failure.",
        );
        error.0.fault = Fault::Receiver;
        error.0.status = Some(500);
        error.0.source = Some(source.into());
        error
    }

    /// The operation exists in the model and nobody has implemented it.
    pub fn not_implemented(service: &str, operation: &str) -> Self {
        Self::new(
            "NotImplemented",
            format!("{service}:{operation} is not implemented by Undercast"),
        )
        .with_status(501)
    }

    /// The service does what it was asked in general, but not this part of it.
    pub fn unsupported(what: impl fmt::Display) -> Self {
        Self::new("NotImplemented", format!("{what} is not implemented by Undercast"))
            .with_status(501)
    }

    pub fn access_denied(message: impl Into<String>) -> Self {
        Self::new("AccessDeniedException", message).with_status(403)
    }

    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.0.status = Some(status);
        if status >= 500 {
            self.0.fault = Fault::Receiver;
        }
        self
    }

    #[must_use]
    pub fn with_field(mut self, name: &'static str, value: impl Into<Document>) -> Self {
        self.0.fields.push((name, value.into()));
        self
    }

    #[must_use]
    pub fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.0.headers.push((name, value.into()));
        self
    }

    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    pub fn code(&self) -> &str {
        &self.0.code
    }

    pub fn message(&self) -> &str {
        &self.0.message
    }

    pub fn fault(&self) -> Fault {
        self.0.fault
    }

    /// The HTTP status where it differs from the model's.
    pub fn status(&self) -> Option<u16> {
        self.0.status
    }

    pub fn fields(&self) -> &[(&'static str, Document)] {
        &self.0.fields
    }

    pub fn headers(&self) -> &[(&'static str, String)] {
        &self.0.headers
    }

    pub fn log_source(&self) -> Option<&(dyn StdError + Send + Sync)> {
        self.0.source.as_deref()
    }
}

/// What other code prints of it: code and message, never the source.
impl fmt::Display for ServiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.code, self.0.message)
    }
}

impl StdError for ServiceError {}

impl From<undercast_store::Error> for ServiceError {
    fn from(error: undercast_store::Error) -> Self {
        Self::new(
            "ServiceUnavailable",
            "The request has failed due to a temporary failure of the server.",
        )
        .with_status(503)
        .with_source(error)
    }
}
