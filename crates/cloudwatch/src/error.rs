//! Errors in CloudWatch's words.

use undercast_kernel::ServiceError;

pub(crate) fn invalid_value(message: impl Into<String>) -> ServiceError {
    ServiceError::new("InvalidParameterValueException", message)
}

pub(crate) fn invalid_combination(message: impl Into<String>) -> ServiceError {
    ServiceError::new("InvalidParameterCombinationException", message)
}

pub(crate) fn missing(message: impl Into<String>) -> ServiceError {
    ServiceError::new("MissingRequiredParameterException", message)
}

/// For the operations that have no error of their own for it.
pub(crate) fn invalid(message: impl Into<String>) -> ServiceError {
    ServiceError::new("ValidationError", message)
}

pub(crate) fn invalid_token() -> ServiceError {
    ServiceError::new("InvalidNextToken", "Invalid nextToken")
}
