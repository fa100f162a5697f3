//! AWS's errors and their wording.

use undercast_kernel::ServiceError;

pub(crate) fn bad(message: impl Into<String>) -> ServiceError {
    ServiceError::new("BadRequestException", message)
}

pub(crate) fn not_found(kind: &str, id: &str) -> ServiceError {
    let message = match kind {
        "Integration" => format!("Unable to find Integration with integration id {id}"),
        _ => format!(
            "Unable to find {kind} by ID {id}. Verify that the {kind} ID you provided is correct."
        ),
    };
    let message = message.replace("API by ID", "Api by ID").replace("that the API", "that the Api");
    ServiceError::new("NotFoundException", message)
}

pub(crate) fn conflict(message: impl Into<String>) -> ServiceError {
    ServiceError::new("ConflictException", message)
}
