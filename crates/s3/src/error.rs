//! AWS's errors and their wording.

use undercast_kernel::ServiceError;
use undercast_smithy::validate::{Violation, message};
use undercast_smithy::{BodyError, ReadError};

pub(crate) fn no_bucket(bucket: &str) -> ServiceError {
    ServiceError::new("NoSuchBucket", "The specified bucket does not exist")
        .with_status(404)
        .with_field("BucketName", bucket)
}

pub(crate) fn bucket_name(bucket: &str) -> ServiceError {
    ServiceError::new("InvalidBucketName", "The specified bucket is not valid.")
        .with_field("BucketName", bucket)
}

pub(crate) fn no_key(key: &str) -> ServiceError {
    ServiceError::new("NoSuchKey", "The specified key does not exist.")
        .with_status(404)
        .with_field("Key", key)
}

pub(crate) fn no_version(key: &str, version: &str) -> ServiceError {
    ServiceError::new("NoSuchVersion", "The specified version does not exist.")
        .with_status(404)
        .with_field("Key", key)
        .with_field("VersionId", version)
}

pub(crate) fn version_id(value: &str) -> ServiceError {
    argument("versionId", value, "Invalid version id specified")
}

/// The version asked for is a delete marker.
pub(crate) fn is_marker(method: &str, version: &str) -> ServiceError {
    ServiceError::new(
        "MethodNotAllowed",
        "The specified method is not allowed against this resource.",
    )
    .with_status(405)
    .with_field("Method", method)
    .with_field("ResourceType", "DeleteMarker")
    .with_header("allow", "DELETE")
    .with_header("x-amz-delete-marker", "true")
    .with_header("x-amz-version-id", version)
}

pub(crate) fn no_upload(upload: &str) -> ServiceError {
    ServiceError::new(
        "NoSuchUpload",
        "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.",
    )
    .with_status(404)
    .with_field("UploadId", upload)
}

pub(crate) fn invalid_part(part: i32, etag: &str, upload: &str) -> ServiceError {
    ServiceError::new(
        "InvalidPart",
        "One or more of the specified parts could not be found.  The part may not have been uploaded, or the specified entity tag may not match the part's entity tag.",
    )
    .with_field("ETag", etag)
    .with_field("PartNumber", part)
    .with_field("UploadId", upload)
}

pub(crate) fn argument(name: &str, value: &str, message: impl Into<String>) -> ServiceError {
    ServiceError::new("InvalidArgument", message)
        .with_field("ArgumentName", name)
        .with_field("ArgumentValue", value)
}

pub(crate) fn invalid_argument(message: impl Into<String>) -> ServiceError {
    ServiceError::new("InvalidArgument", message)
}

pub(crate) fn invalid(message: impl Into<String>) -> ServiceError {
    ServiceError::new("InvalidRequest", message)
}

pub(crate) fn malformed_xml() -> ServiceError {
    ServiceError::new(
        "MalformedXML",
        "The XML you provided was not well-formed or did not validate against our published schema",
    )
}

pub(crate) fn precondition(condition: &str) -> ServiceError {
    ServiceError::new(
        "PreconditionFailed",
        "At least one of the pre-conditions you specified did not hold",
    )
    .with_status(412)
    .with_field("Condition", condition)
}

pub(crate) fn access_denied() -> ServiceError {
    ServiceError::new("AccessDenied", "Access Denied").with_status(403)
}

/// The bucket lacks a part of its configuration.
pub(crate) fn no_config(code: &'static str, message: &str, bucket: &str) -> ServiceError {
    ServiceError::new(code, message).with_status(404).with_field("BucketName", bucket)
}

pub(crate) fn not_implemented_header(header: &str, message: &str) -> ServiceError {
    ServiceError::new(
        "NotImplemented",
        "A header you provided implies functionality that is not implemented",
    )
    .with_status(501)
    .with_field("Header", header)
    .with_field("additionalMessage", message)
}

pub(crate) fn no_website(bucket: &str) -> ServiceError {
    no_config(
        "NoSuchWebsiteConfiguration",
        "The specified bucket does not have a website configuration",
        bucket,
    )
}

/// Another request changes the same thing at the moment.
pub(crate) fn busy() -> ServiceError {
    ServiceError::new(
        "OperationAborted",
        "A conflicting conditional operation is currently in progress against this resource. Please try again.",
    )
    .with_status(409)
}

pub(crate) fn body(error: BodyError) -> ServiceError {
    match error {
        BodyError::TooLarge { limit } => too_large(limit),
        BodyError::Invalid { code, message } => ServiceError::new(code, message),
        BodyError::Broken(why) => {
            ServiceError::new("IncompleteBody", "The request body terminated unexpectedly")
                .with_source(why)
        }
    }
}

pub(crate) fn too_large(limit: u64) -> ServiceError {
    ServiceError::new("EntityTooLarge", "Your proposed upload exceeds the maximum allowed size")
        .with_field("MaxSizeAllowed", limit)
}

pub(crate) fn refuse(violations: &[Violation]) -> ServiceError {
    match violations.first() {
        Some(violation) if violation.path.contains('.') => malformed_xml(),
        _ => ServiceError::new("InvalidArgument", message(violations)),
    }
}

pub(crate) fn unreadable(_: &ReadError) -> ServiceError {
    malformed_xml()
}
