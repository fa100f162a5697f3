//! Errors in the words of Secrets Manager.

use undercast_kernel::ServiceError;

pub(crate) fn not_found() -> ServiceError {
    ServiceError::new(
        "ResourceNotFoundException",
        "Secrets Manager can't find the specified secret.",
    )
}

pub(crate) fn no_value(what: &str) -> ServiceError {
    ServiceError::new(
        "ResourceNotFoundException",
        format!("Secrets Manager can't find the specified secret value for {what}"),
    )
}

pub(crate) fn exists(name: &str) -> ServiceError {
    ServiceError::new(
        "ResourceExistsException",
        format!("The operation failed because the secret {name} already exists."),
    )
}

pub(crate) fn invalid(message: impl Into<String>) -> ServiceError {
    ServiceError::new("InvalidParameterException", message)
}

pub(crate) fn refused(message: impl Into<String>) -> ServiceError {
    ServiceError::new("InvalidRequestException", message)
}

pub(crate) fn deleted() -> ServiceError {
    refused("You can't perform this operation on the secret because it was marked for deletion.")
}
