//! AWS's errors and their wording.

use undercast_kernel::ServiceError;

pub(crate) fn invalid(message: impl Into<String>) -> ServiceError {
    ServiceError::new("ValidationException", message)
}

/// `One or more parameter values were invalid: …`.
pub(crate) fn parameter(message: impl std::fmt::Display) -> ServiceError {
    invalid(format!("One or more parameter values were invalid: {message}"))
}

/// What calls on items answer.
pub(crate) fn no_resource() -> ServiceError {
    ServiceError::new("ResourceNotFoundException", "Requested resource not found")
}

/// What calls on tables answer.
pub(crate) fn no_table(name: &str) -> ServiceError {
    ServiceError::new(
        "ResourceNotFoundException",
        format!("Requested resource not found: Table: {name} not found"),
    )
}

pub(crate) fn no_arn(arn: &str) -> ServiceError {
    ServiceError::new(
        "ResourceNotFoundException",
        format!("Requested resource not found: ResourcArn: {arn} not found"),
    )
}

pub(crate) fn in_use(message: impl Into<String>) -> ServiceError {
    ServiceError::new("ResourceInUseException", message)
}

pub(crate) fn key_mismatch() -> ServiceError {
    invalid("The provided key element does not match the schema")
}

pub(crate) fn condition_failed() -> ServiceError {
    ServiceError::new("ConditionalCheckFailedException", "The conditional request failed")
}

pub(crate) fn no_stream(arn: &str) -> ServiceError {
    ServiceError::new(
        "ResourceNotFoundException",
        format!("Requested resource not found: Stream: {arn} not found"),
    )
}

pub(crate) fn trimmed() -> ServiceError {
    ServiceError::new(
        "TrimmedDataAccessException",
        "The operation attempted to read past the oldest stream record in a shard.",
    )
}

pub(crate) fn no_shard(shard: &str, stream: &str) -> ServiceError {
    ServiceError::new(
        "ResourceNotFoundException",
        format!("Requested resource not found: Shard: {shard} in stream: {stream} not found"),
    )
}

pub(crate) fn duplicate() -> ServiceError {
    ServiceError::new("DuplicateItemException", "Duplicate primary key exists in table")
}
