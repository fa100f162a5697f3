//! AWS's errors and their wording.

use undercast_kernel::ServiceError;

use crate::template;

pub fn validation(message: impl Into<String>) -> ServiceError {
    ServiceError::new("ValidationError", message)
}

/// The code of a resource's failure whose message is the whole reason.
pub const FAILED: &str = "ResourceFailed";

pub fn failed(message: impl Into<String>) -> ServiceError {
    ServiceError::new(FAILED, message)
}

pub fn no_such_stack(name: &str) -> ServiceError {
    validation(format!("Stack with id {name} does not exist"))
}

pub fn no_such_change_set(name: &str) -> ServiceError {
    ServiceError::new("ChangeSetNotFoundException", format!("ChangeSet [{name}] does not exist"))
}

impl From<template::Error> for ServiceError {
    fn from(error: template::Error) -> Self {
        validation(error.0)
    }
}
