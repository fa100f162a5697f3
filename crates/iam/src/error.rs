//! AWS's errors and their wording.

use undercast_kernel::ServiceError;

/// `NoSuchEntity`: `The role with name x cannot be found.`
pub(crate) fn no_such(kind: &str, name: &str) -> ServiceError {
    ServiceError::new(
        "NoSuchEntityException",
        format!("The {kind} with name {name} cannot be found."),
    )
}

pub(crate) fn no_such_policy(arn: &str) -> ServiceError {
    ServiceError::new(
        "NoSuchEntityException",
        format!("Policy {arn} does not exist or is not attachable."),
    )
}

pub(crate) fn exists(kind: &str, name: &str) -> ServiceError {
    ServiceError::new(
        "EntityAlreadyExistsException",
        format!("{kind} with name {name} already exists."),
    )
}

pub(crate) fn conflict(message: impl Into<String>) -> ServiceError {
    ServiceError::new("DeleteConflictException", message)
}

pub(crate) fn malformed(message: impl Into<String>) -> ServiceError {
    ServiceError::new("MalformedPolicyDocumentException", message)
}
