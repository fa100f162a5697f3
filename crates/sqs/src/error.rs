//! AWS's errors and their wording.

use undercast_kernel::ServiceError;
use undercast_smithy::validate::{Constraint, Violation, message};

pub(crate) fn no_queue() -> ServiceError {
    ServiceError::new("QueueDoesNotExist", "The specified queue does not exist.")
}

pub(crate) fn parameter(message: impl Into<String>) -> ServiceError {
    ServiceError::new("InvalidParameterValue", message)
}

pub(crate) fn missing(name: &str) -> ServiceError {
    ServiceError::new("MissingParameter", format!("The request must contain the parameter {name}."))
}

pub(crate) fn attribute_value(name: &str) -> ServiceError {
    ServiceError::new("InvalidAttributeValue", format!("Invalid value for the parameter {name}."))
}

pub(crate) fn handle(text: &str) -> ServiceError {
    ServiceError::new(
        "ReceiptHandleIsInvalid",
        format!("The input receipt handle \"{text}\" is not a valid receipt handle."),
    )
}

/// A parameter that queues of this kind do not have.
pub(crate) fn not_of_this_kind(value: impl std::fmt::Display, name: &str) -> ServiceError {
    parameter(format!(
        "Value {value} for parameter {name} is invalid. Reason: The request include parameter that is not valid for this queue type."
    ))
}

pub(crate) fn expired_handle(text: &str) -> ServiceError {
    parameter(format!(
        "Value {text} for parameter ReceiptHandle is invalid. Reason: The receipt handle has expired."
    ))
}

/// A missing member is a missing parameter, everything else a bad value.
pub(crate) fn refuse(violations: &[Violation]) -> ServiceError {
    match violations.first() {
        Some(violation) if violation.constraint == Constraint::Missing => {
            let mut chars = violation.path.chars();
            let first: String = chars.next().map(|c| c.to_ascii_uppercase()).into_iter().collect();
            missing(&format!("{first}{}", chars.as_str()))
        }
        _ => parameter(message(violations)),
    }
}
