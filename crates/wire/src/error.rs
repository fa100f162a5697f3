//! What the wire itself refuses, and how the codes that every service shares are called in each
//! protocol.

use undercast_kernel::ServiceError;
use undercast_smithy::{
    BodyError, ErrorSchema, Fault, OperationSchema, Protocol, ReadError, ServiceSchema,
};

/// The families of protocols, as far as common errors differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    Json,
    Query,
    RestJson,
    RestXml,
}

impl From<Protocol> for Family {
    fn from(protocol: Protocol) -> Self {
        match protocol {
            Protocol::AwsJson1_0 | Protocol::AwsJson1_1 | Protocol::RpcV2Cbor => Self::Json,
            Protocol::AwsQuery => Self::Query,
            Protocol::RestJson1 => Self::RestJson,
            Protocol::RestXml => Self::RestXml,
        }
    }
}

/// The code, status and fault that an error has in an answer.
#[derive(Debug, Clone, Copy)]
pub struct Envelope<'a> {
    pub code: &'a str,
    pub status: u16,
    pub fault: Fault,
    pub schema: Option<&'static ErrorSchema>,
}

/// Finds what the model says about an error, else what all services of that family say.
pub fn envelope<'a>(
    family: Family,
    service: Option<&'static ServiceSchema>,
    operation: Option<&'static OperationSchema>,
    error: &'a ServiceError,
) -> Envelope<'a> {
    if let Some(schema) = modeled(service, operation, error.code()) {
        let code = match family {
            Family::Query | Family::RestXml => schema.query_code.unwrap_or(schema.name),
            Family::Json | Family::RestJson => schema.name,
        };
        return Envelope { code, status: schema.status, fault: schema.fault, schema: Some(schema) };
    }
    let default = match error.fault() {
        Fault::Sender => 400,
        Fault::Receiver => 500,
    };
    let status = error.status().unwrap_or(default);
    let (code, status) = common(family, error.code(), status);
    Envelope { code, status, fault: error.fault(), schema: None }
}

/// The modeled error of that name or query code: the operation's own, else any of the service's.
fn modeled(
    service: Option<&'static ServiceSchema>,
    operation: Option<&'static OperationSchema>,
    code: &str,
) -> Option<&'static ErrorSchema> {
    let named =
        |error: &&&'static ErrorSchema| error.name == code || error.query_code == Some(code);
    let own = operation.and_then(|operation| operation.errors.iter().find(named));
    own.copied().or_else(|| {
        service?
            .operations
            .iter()
            .find_map(|operation| operation.errors.iter().find(named))
            .copied()
    })
}

/// The names under which each family knows the errors that no model lists.
fn common(family: Family, code: &str, status: u16) -> (&str, u16) {
    use Family::{Json, Query, RestJson, RestXml};
    match (code, family) {
        ("AccessDeniedException", Json) => ("AccessDeniedException", 400),
        ("AccessDeniedException", Query | RestXml) => ("AccessDenied", 403),
        ("InternalFailure", RestXml) => ("InternalError", 500),
        ("InternalFailure", Json) => ("InternalFailure", 500),
        ("InternalFailure", RestJson) => ("InternalFailure", 500),
        ("ServiceUnavailable", Json | RestJson) => ("ServiceUnavailableException", 503),
        ("ServiceUnavailable", Query | RestXml) => ("ServiceUnavailable", 503),
        ("SerializationException", Query) => ("MalformedInput", 400),
        ("SerializationException", RestXml) => ("MalformedXML", 400),
        ("ValidationException", Query) => ("ValidationError", 400),
        ("ValidationException", RestXml) => ("InvalidArgument", 400),
        ("ThrottlingException", Query) => ("Throttling", 400),
        ("ThrottlingException", RestXml) => ("SlowDown", 503),
        ("ThrottlingException", RestJson) => ("ThrottlingException", 429),
        _ => (code, status),
    }
}

/// The target names no operation of the service.
pub fn unknown_operation(
    family: Family,
    service: Option<&'static ServiceSchema>,
    name: &str,
) -> ServiceError {
    match family {
        Family::Json => ServiceError::new("UnknownOperationException", ""),
        Family::RestJson => ServiceError::new(
            "UnknownOperationException",
            "Unable to determine service/operation name to be authorized",
        )
        .with_status(404),
        Family::Query if name.is_empty() => {
            ServiceError::new("MissingAction", "The request must contain the parameter Action.")
        }
        Family::Query => match service {
            Some(service) if service.id != "sqs" => ServiceError::new(
                "InvalidAction",
                format!("Could not find operation {name} for version {}", service.api_version),
            ),
            _ => ServiceError::new(
                "InvalidAction",
                format!("The action {name} is not valid for this endpoint."),
            ),
        },
        Family::RestXml => ServiceError::new(
            "MethodNotAllowed",
            "The specified method is not allowed against this resource.",
        )
        .with_status(405),
    }
}

/// The body could not be taken in.
pub fn body_error(family: Family, error: BodyError) -> ServiceError {
    match error {
        BodyError::TooLarge { limit } => {
            let code = match family {
                Family::RestXml => "EntityTooLarge",
                Family::RestJson => "RequestTooLargeException",
                Family::Json | Family::Query => "RequestEntityTooLargeException",
            };
            ServiceError::new(code, format!("Request must be smaller than {limit} bytes."))
                .with_status(413)
        }
        BodyError::Invalid { code, message } => ServiceError::new(code, message),
        BodyError::Broken(why) => {
            let code =
                if family == Family::RestXml { "IncompleteBody" } else { "IncompleteRequest" };
            ServiceError::new(code, "The request body ended before it was complete.")
                .with_source(why)
        }
    }
}

/// An input that is not of its format at all, found before a handler could word it.
pub fn unreadable(error: &ReadError) -> ServiceError {
    ServiceError::new("SerializationException", error.to_string())
}
