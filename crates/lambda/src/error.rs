//! AWS's errors and their wording. Lambda says in a field whose fault it was.

use std::fmt::Display;

use undercast_kernel::ServiceError;

fn user(code: &'static str, message: impl Into<String>) -> ServiceError {
    ServiceError::new(code, message).with_field("Type", "User")
}

/// `InvalidParameterValueException`.
pub(crate) fn invalid(message: impl Into<String>) -> ServiceError {
    user("InvalidParameterValueException", message)
}

/// `ResourceNotFoundException`, which carries its message under two names.
pub(crate) fn not_found(message: impl Into<String>) -> ServiceError {
    let message = message.into();
    user("ResourceNotFoundException", message.clone()).with_field("Message", message)
}

pub(crate) fn no_function(arn: impl Display) -> ServiceError {
    not_found(format!("Function not found: {arn}"))
}

pub(crate) fn no_alias(arn: impl Display) -> ServiceError {
    not_found(format!("Cannot find alias arn: {arn}"))
}

/// What mappings and policies answer.
pub(crate) fn no_resource() -> ServiceError {
    not_found("The resource you requested does not exist.")
}

/// `ResourceConflictException`.
pub(crate) fn conflict(message: impl Into<String>) -> ServiceError {
    user("ResourceConflictException", message)
}

/// A revision id that is not the current one; `call` says where the current one is found.
pub(crate) fn stale(call: &str) -> ServiceError {
    user(
        "PreconditionFailedException",
        format!(
            "The Revision Id provided does not match the latest Revision Id. Call the {call} API to retrieve the latest Revision Id"
        ),
    )
}

pub(crate) fn throttled(reason: &'static str) -> ServiceError {
    user("TooManyRequestsException", "Rate Exceeded.").with_field("Reason", reason)
}

pub(crate) fn too_large(bytes: usize, kind: &str, limit: usize) -> ServiceError {
    user(
        "RequestTooLargeException",
        format!(
            "{bytes} byte payload is too large for the {kind} invocation type (limit {limit} bytes)"
        ),
    )
}

/// Fails unless the caller's revision id, if there is one, is the current one.
pub(crate) fn check_revision(
    wanted: Option<&str>,
    current: &str,
    call: &str,
) -> Result<(), ServiceError> {
    match wanted {
        Some(wanted) if wanted != current => Err(stale(call)),
        _ => Ok(()),
    }
}
