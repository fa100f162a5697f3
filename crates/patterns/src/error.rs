//! What callers are told.

use undercast_kernel::ServiceError;

pub(crate) fn invalid(message: impl Into<String>) -> ServiceError {
    ServiceError::new("ValidationException", message)
}

pub(crate) fn no_run(name: &str) -> ServiceError {
    ServiceError::new("ResourceNotFoundException", format!("There is no dark run {name}."))
}

pub(crate) fn no_release(name: &str) -> ServiceError {
    ServiceError::new("ResourceNotFoundException", format!("There is no release {name}."))
}

pub(crate) fn conflict(message: impl Into<String>) -> ServiceError {
    ServiceError::new("ConflictException", message)
}

pub(crate) fn no_difference(id: &str) -> ServiceError {
    ServiceError::new("ResourceNotFoundException", format!("There is no difference {id}."))
}
